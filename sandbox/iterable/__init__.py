"""Iterable's API.

project.py    a project's data, and its settings
api.py        the routes: URL, key and rate limit are checked before an endpoint answers
export.py audience.py campaigns.py metrics.py stores.py    the endpoints
parameters.py selection.py paging.py errors.py    what they share
events.py data_types.py timestamps.py    rows of exports, their types and times
jobs/         asynchronous exports
seed/         made-up data
"""
