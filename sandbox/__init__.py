"""A local stand-in for the HTTP APIs the connectors talk to. It needs the standard library only.

    from sandbox import Sandbox, serve

    sandbox = Sandbox(anchor=date(2026, 3, 15))
    with serve(sandbox) as url:
        ...                       # any HTTP client, against url
    sandbox.calls                 # what arrived, in order

From a shell: `python -m sandbox --port 8080`.

The parts, from the wire inwards:
    server.py    one threading HTTP/1.1 server: blocks, gzip, chunks
    core.py      Sandbox: asks the vendor, lets faults strike, keeps the list of calls
    faults.py    failures on demand (its docstring shows one of each)
    budgets.py   rate limits over a moving window
    routing.py   endpoints by path patterns
    samples.py   rows made from schemas/
    messages.py  Request and Reply
    iterable/    Iterable's project, endpoints and made-up data
    courier/     Courier's workspace, endpoints and made-up data
    rudderstack/ RudderStack's data plane
"""

from sandbox.core import Sandbox
from sandbox.server import serve

__all__ = ["Sandbox", "serve"]
