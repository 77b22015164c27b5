"""All checks of one machine, one after the other."""

import time
from collections.abc import Callable, Sequence

from understudy.engine import AgentCheck, Check, Checked, ConsoleCheck, RunningCheck, ScriptCheck, TcpCheck
from understudy.engine.checks import described
from understudy.failover.health.console import shows
from understudy.failover.health.script import passes
from understudy.failover.health.subject import Found, NotYet, Subject, until_well
from understudy.failover.health.tcp import answers
from understudy.machine.definition import MachineDefinition

SPARE = 60.0
"""Seconds beyond those for which a machine must run: it may be slow to say that it does."""


def default_checks(definition: MachineDefinition) -> tuple[Check, ...]:
    """Of a machine of which nobody said how it is known to be well."""
    return (AgentCheck(),) if definition.agent else (RunningCheck(),)


async def examined(subject: Subject, checks: Sequence[Check], heard: Callable[[str], None]) -> tuple[Checked, ...]:
    """Every check is made, also after one that failed. `heard`: told of each that begins, in words."""
    found = []
    for check in checks:
        heard(described(check))
        found.append(await _examined(subject, check))
    return tuple(found)


async def _examined(subject: Subject, check: Check) -> Checked:
    match check:
        case AgentCheck(timeout=seconds):
            return await until_well(subject, described(check), seconds, lambda: _pinged(subject))
        case TcpCheck(timeout=seconds) as tcp:
            return await until_well(subject, described(check), seconds, lambda: answers(subject, tcp))
        case ConsoleCheck(timeout=seconds) as console:
            return await until_well(subject, described(check), seconds, lambda: shows(subject, console))
        case ScriptCheck(timeout=seconds) as script:
            return await until_well(subject, described(check), seconds, lambda: passes(subject, script))
        case RunningCheck(seconds=seconds):
            since = time.monotonic()
            return await until_well(subject, described(check), seconds + SPARE, lambda: _stands(since, seconds))


async def _pinged(subject: Subject) -> Found:
    await subject.hypervisor.ping(subject.run)
    return Found("the guest's agent answers")


async def _stands(since: float, seconds: float) -> Found:
    """Whoever calls this has just seen it run."""
    if time.monotonic() - since < seconds:
        raise NotYet("its time is not over yet")
    return Found(f"it ran for {seconds:g} s")
