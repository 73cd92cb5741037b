"""Throughput and memory of the source, measured on this machine: `python -m benchmarks`, or `make bench`.

data.py         rows to read, in files
vendor.py       a server that hands them out and costs next to nothing
programs.py     what is measured: this source, the floor, and a program's rows, time and memory
peers.py        other people's connectors, each in an environment of its own; redirect/ sends them to that server
virtual.py      syncs at the vendor's budgets, on a clock that skips the waiting
"""
