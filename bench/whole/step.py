"""What every tool is asked to do, in this order."""

from enum import StrEnum


class Step(StrEnum):
    INITIAL = "initial"
    UNCHANGED = "unchanged"
    RANDOM = "random"
    SEQUENTIAL = "sequential"
    RESTORE = "restore"
    PRUNE = "prune"


WORDS = {
    Step.INITIAL: "initial replication of the image",
    Step.UNCHANGED: "again, nothing changed but the image's times",
    Step.RANDOM: "again, 1 % changed, 4 KiB here and there",
    Step.SEQUENTIAL: "again, 1 % changed in one run",
    Step.RESTORE: "restore of the newest",
    Step.PRUNE: "keep the newest alone, give back the rest",
}

TARGETS = {Step.INITIAL: 5.0, Step.UNCHANGED: 4.0, Step.RESTORE: 2.0}
"""How many times as fast as the faster of restic and borg understudy is meant to be."""
