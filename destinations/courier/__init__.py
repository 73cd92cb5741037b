"""Events, or plain rows, into Courier.

configuration.py   the fields, checked
events.py          rows of any kind as events
mapping.py         events as calls, for each of the three routes
sending.py         the calls, and what Courier's answers mean
destination.py     spec, check and write
"""
