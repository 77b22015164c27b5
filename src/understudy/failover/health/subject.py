"""The machine that is looked at, and what every check does: ask until it is well, can be well no more, or its time is over."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from understudy.engine import Checked
from understudy.errors import UnderstudyError
from understudy.hypervisor.protocol import OVER, Hypervisor, Status

PAUSE = 1.0
"""Seconds between two questions: each costs the guest and this host some of their time."""
_WORDS = 300


@dataclass(frozen=True, slots=True)
class Subject:
    """`run`: under which the hypervisor knows it. `forwards`: ports of the guest to those of 127.0.0.1 that lead there. `namespace`: the
    network namespace in which its addresses are reached; empty: this process's own."""

    hypervisor: Hypervisor
    run: str
    machine: str
    name: str
    point: str
    forwards: Mapping[int, int] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    namespace: str = ""


class NotYet(Exception):
    """It is not well so far, for this reason."""


class Unwell(Exception):
    """It will not become well, for this reason."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an attempt found that passed."""

    words: str
    output: str = ""


async def until_well(subject: Subject, what: str, seconds: float, attempt: Callable[[], Awaitable[Found]]) -> Checked:
    """`attempt` raises NotYet or Unwell, and is cancelled when `seconds` are over. What fails in the family is not well yet."""
    began, last = time.monotonic(), "it did not answer"

    def told(outcome: Literal["passed", "failed"], words: str, output: str = "") -> Checked:
        return Checked(what=what, outcome=outcome, seconds=round(time.monotonic() - began, 3), words=plain(words, _WORDS), output=output)

    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await must_run(subject)
                    found = await attempt()
                    return told("passed", found.words, found.output)
                except NotYet as reason:
                    last = str(reason)
                except UnderstudyError as error:
                    last = error.message
                await asyncio.sleep(PAUSE)
    except Unwell as reason:
        return told("failed", str(reason))
    except TimeoutError:
        return told("failed", f"not within {seconds:g} s: {last}")


async def must_run(subject: Subject) -> None:
    state = await subject.hypervisor.state(subject.run)
    why = f"{state.status.value}: {state.reason}" if state.reason else state.status.value
    if state.status in OVER | {Status.SHUT_DOWN, Status.PANICKED, Status.STORAGE_ERROR}:
        raise Unwell(f"the machine does not run: {why}")
    if state.status is not Status.RUNNING:
        raise NotYet(f"the machine does not run: {why}")


def plain(text: str, most: int) -> str:
    """On one line, without what could speak to a terminal; the end of it, where it is longer."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return words if len(words) <= most else f"…{words[1 - most :]}"
