"""The service: machines on their policies, jobs, maintenance, and its own life."""
