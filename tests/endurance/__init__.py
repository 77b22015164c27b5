"""Acceptance runs of failover: real guests on two sites, for minutes and not seconds. `make endure`; no part of `make test`.

Each is a program of its own: `python -m tests.endurance.rounds 2`. It prints a line for each thing that it has held against what must be,
and ends at the first that does not hold, with what was seen.
"""
