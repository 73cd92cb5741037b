"""Read by every Python that a test starts: its clock begins at the test's instant, where time-machine is installed."""

import os
import select
import time
from contextlib import suppress

if "FAKETIME" in os.environ:
    # Python's own sleeps until an instant of the monotonic clock, which faketime takes for one of the faked clock.
    time.sleep = lambda seconds: select.select((), (), (), float(seconds)) and None

if instant := os.environ.get("TEST_INSTANT"):
    with suppress(ImportError):
        import time_machine

        time_machine.travel(float(instant)).start()
