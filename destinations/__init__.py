"""Destinations: events into Courier, and Courier's life-cycle of messages into RudderStack.

courier/       Segment's and RudderStack's events, or plain rows, as calls of Courier's API
rudderstack/   Courier's messages, or events of any kind, as batches for a RudderStack data plane

What both share, from the command line inwards:

runner.py      the command: messages out, signals, errors as one sentence
base.py        spec, check and write on top of the CDK's Destination
inputs.py      what a source writes into the pipe, as rows and states
settings.py    what both configurations have in common
rejected.py    rows that cannot be delivered: fail, or skip and count
delivery.py    many rows at a time, in order for each user; a state once all before it was accepted
http.py        calls that are repeated while that may help
values.py      types, ids, times and JSON
"""
