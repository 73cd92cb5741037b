"""What the source costs, measured on this machine: `python -m benchmarks`, or `make bench`.

data.py         rows to read, in files
vendor.py       a server that hands them out and costs next to nothing
processes.py    a program's rows, time, CPU time and memory
source.py       this project's source as such a program
peers.py        other people's connectors as such programs, each in an environment of its own (environments.py)
redirect/       sends what a peer asks of the vendor's host to that server
floor.py        the least that any program can do with the same bytes
virtual.py      syncs on a clock that skips the waiting; outcomes.py holds what they took
stage.py        how much is measured, and where programs are made ready
works.py        what is measured, beside what, and what we want
findings.py     rounds, medians, and how noisy the machine was
sampling.py     where the source's time goes (`--profile`)
report.py       the table, and RESULTS.md
"""
