"""Courier's API.

workspace.py    a workspace's data, and its settings
api.py          the routes: path, key, rate limit and size are checked before an endpoint answers
message_log.py runs.py listings.py    the endpoints that read
inbound.py sending.py invoking.py profiles.py subscriptions.py tenants.py    those that write
mapping.py      which event sends what, to read and to write
paging.py parameters.py bodies.py patching.py idempotency.py errors.py timestamps.py    what they share
seed/           made-up data
"""
