"""`understudy`, but a plan's test makes a recovery point of each machine: a real job of each, before there is one that starts it."""

from understudy.cli.main import run
from understudy.daemon.plan_operations import MADE, Made

if __name__ == "__main__":
    MADE["test"] = Made("replicate", lambda options: {})
    run()
