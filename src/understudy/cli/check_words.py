"""Checks as they are written on a command line, and shown."""

import re
import shlex
from collections.abc import Sequence

import msgspec

from understudy.cli.output import Output
from understudy.engine import AgentCheck, Check, Checked, Checks, ConsoleCheck, RunningCheck, ScriptCheck, TcpCheck, checked_checks
from understudy.engine.checks import described
from understudy.engine.units import duration, seconds_of
from understudy.errors import InvalidRequest

FORMS = "agent, tcp:PORT, tcp:ADDRESS:PORT, console:REGEX, running:TIME or script:PROGRAM"
_TCP = re.compile(r"(?:(?P<address>[0-9.]+|\[[0-9a-fA-F.:]+\]):)?(?P<port>[0-9]{1,5})")


def checks_of(texts: Sequence[str], timeout: str | None) -> tuple[Check, ...]:
    """`timeout`: of each of them."""
    checks = [_check_of(text) for text in texts]
    if timeout is not None:
        seconds = seconds_of(timeout)
        checks = [check if isinstance(check, RunningCheck) else msgspec.structs.replace(check, timeout=seconds) for check in checks]
    return checked_checks(checks)


def _check_of(text: str) -> Check:
    kind, _, rest = text.partition(":")
    match kind:
        case "agent" if not rest:
            return AgentCheck()
        case "tcp" if found := _TCP.fullmatch(rest):
            return TcpCheck(port=int(found["port"]), address=(found["address"] or "").strip("[]"))
        case "console" if rest:
            return ConsoleCheck(pattern=rest)
        case "running" if rest:
            return RunningCheck(seconds=seconds_of(rest))
        case "script" if rest:
            program, *arguments = _words(rest)
            return ScriptCheck(program=program, arguments=tuple(arguments))
    raise InvalidRequest(f"{text!r} is no check", hint=f"write {FORMS}")


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidRequest(f"{text!r} is no command: {error}", hint="quote its words as for a shell") from None
    if not words:
        raise InvalidRequest(f"{text!r} is no command", hint="name a program by its absolute path")
    return words


def checks_told(out: Output, checks: Checks) -> None:
    given = "as an operator said" if checks.given else "as follows from what it is"
    out.say(f"a copy of {checks.machine} is known to be well, {given}:", style="bold")
    for check in checks.checks:
        patience = "" if isinstance(check, RunningCheck) else f", within {duration(check.timeout)}"
        out.say(f"  {described(check)}{patience}")
    if not checks.checks:
        out.say("  nothing is looked at")


def checked_told(out: Output, found: Sequence[Checked]) -> None:
    for check in found:
        style = "" if check.outcome == "passed" else "red"
        out.say(f"  {check.outcome}  {check.what}: {check.words} ({duration(check.seconds)})", style=style)
