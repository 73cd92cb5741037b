"""Courier's API.

workspace.py    a workspace's data, and its settings
api.py          the routes: path, key, rate limit and size are checked before an endpoint answers
listings.py     the table of listings, to which a new one is added, and the ways in which Courier pages
message_log.py  the messages, and what is below each
inbound.py sending.py invoking.py profiles.py tenants.py    the endpoints that write
parameters.py bodies.py idempotency.py errors.py timestamps.py    what they share
seed/           made-up data
"""
