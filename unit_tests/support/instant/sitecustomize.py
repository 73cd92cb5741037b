"""Read by every Python that a test starts: its clock begins at the test's instant, where time-machine is installed."""

import os
from contextlib import suppress

with suppress(ImportError):
    import time_machine

    if instant := os.environ.get("TEST_INSTANT"):
        time_machine.travel(float(instant)).start()
