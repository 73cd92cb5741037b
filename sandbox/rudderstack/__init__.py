"""RudderStack's data plane: the gateway that takes events.

plane.py      what it holds, and its settings
api.py        the routes, and the checks in the gateway's order
events.py     what makes an event acceptable, and what the gateway adds to it
"""
