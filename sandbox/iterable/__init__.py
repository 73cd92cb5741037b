"""Iterable's API.

project.py    a project's data, and its settings
api.py        the routes: URL, key and rate limit are checked before an endpoint answers
listings.py   the table of listings, to which a new one is added
export.py metrics.py    the other endpoints
jobs/         asynchronous exports
parameters.py errors.py events.py data_types.py timestamps.py    what they share
seed/         made-up data
"""
