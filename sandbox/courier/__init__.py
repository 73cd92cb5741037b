"""Courier's API.

workspace.py    a workspace's data, and its settings
api.py          the routes: path, key and rate limit are checked before an endpoint answers
message_log.py runs.py listings.py    the endpoints
paging.py parameters.py errors.py timestamps.py    what they share
seed/           made-up data
"""
