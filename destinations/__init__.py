"""Destinations: events into Courier, and Courier's life-cycle of messages into RudderStack.

courier/       Segment's and RudderStack's events, or plain rows, as calls of Courier's API
rudderstack/   Courier's messages, or events of any kind, as batches for a RudderStack data plane

What both share, from the command line inwards:

runner.py      the command: messages out, signals, errors as one sentence
base.py        spec, check and write on top of the CDK's Destination
settings.py    configurations, checked against their own specification
inputs.py      what a source writes into the pipe, as rows and states
rows.py        a row, and how it fails
values.py      types, ids, times and JSON
outcomes.py    rows delivered, skipped and rejected, counted
delivery.py    many rows at a time, in order for each user; a state once all before it was accepted
http.py        calls that are repeated while that may help
redaction.py   other people's words, made fit for a log
"""
