"""Courier's life-cycle of messages, or events of any kind, into a RudderStack data plane.

configuration.py   the fields, checked
mapping.py         rows as events
sending.py         batches, and what the gateway's answers mean
destination.py     spec, check and write
"""
