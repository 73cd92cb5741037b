"""Asynchronous exports: a job is started, polled, and leaves files on another host.

    from sandbox.iterable.jobs import Failed, Fate, Paused, Restarted, Stuck, Truncated

    jobs = sandbox.iterable.jobs
    jobs.rows_per_file = 2                                    # settings: see `Jobs`
    jobs.fates.append(Fate(Failed(files=1)))                  # the next job, after one file
    jobs.fates.append(Fate(Stuck(), data_type="emailOpen"))   # the next job of this type
    jobs.fates.append(Fate(Restarted(files=2), times=None))   # every job
    ...                                                       # a client exports
    assert [job.data_type for job in jobs.started] == ["emailSend"]
    assert jobs.started[0].state(sandbox.clock()) == "completed"
    assert (jobs.cancelled, jobs.leaked_keys) == ([], [])

A file that breaks off is a matter of `sandbox.faults`: `Fault("/export-storage/", Cut(rows=3))`.

    plan.py       what becomes of a job once it runs, and failures on demand
    queue.py      the jobs and their files, on the sandbox's clock
    endpoints.py  /api/export/start, …/files, …/jobs and DELETE; signed addresses, and the host behind them
"""

from sandbox.iterable.jobs.plan import Cancelled, Failed, Fate, Paused, Restarted, Stuck, Truncated
from sandbox.iterable.jobs.queue import Job, Jobs

__all__ = ["Cancelled", "Failed", "Fate", "Job", "Jobs", "Paused", "Restarted", "Stuck", "Truncated"]
