"""How it is found out that a machine which was started from a point is well."""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import PurePath
from typing import Literal, TypeAlias

from understudy.engine.values import Value, checked_words
from understudy.errors import InvalidRequest

PATIENCE = 300.0
"""Seconds for a check of which nobody said how long it may take: a guest boots meanwhile, perhaps without acceleration."""
LONGEST = 3600.0
MOST = 20


class AgentCheck(Value, frozen=True, tag_field="kind", tag="agent"):
    """The guest's agent answers."""

    timeout: float = PATIENCE


class TcpCheck(Value, frozen=True, tag_field="kind", tag="tcp"):
    """Something in the guest answers at this port: at `address`, where the machine is on a network that this host reaches; else, and
    where it is isolated, through a forward that leads to the guest alone."""

    port: int
    address: str = ""
    timeout: float = PATIENCE


class ConsoleCheck(Value, frozen=True, tag_field="kind", tag="console"):
    """What the guest said on its serial port matches this regular expression (Python's; ^ and $ are those of a line)."""

    pattern: str
    timeout: float = PATIENCE


class ScriptCheck(Value, frozen=True, tag_field="kind", tag="script"):
    """A program of this host ends with status 0. It is told of the machine by its environment (docs/operations.md)."""

    program: str
    arguments: tuple[str, ...] = ()
    timeout: float = PATIENCE


class RunningCheck(Value, frozen=True, tag_field="kind", tag="running"):
    """The machine runs for so many seconds, and neither panics, shuts down nor loses a disk meanwhile."""

    seconds: float = 30.0


Check: TypeAlias = AgentCheck | TcpCheck | ConsoleCheck | ScriptCheck | RunningCheck


class Checked(Value, frozen=True):
    """What came of one check. `what`: the check in words; `output`: the end of what a script said."""

    what: str
    outcome: Literal["passed", "failed"]
    seconds: float
    words: str
    output: str = ""


class Checks(Value, frozen=True):
    """The checks of a machine; `given`: by an operator, and not those that follow from what the machine is."""

    machine: str
    given: bool
    checks: tuple[Check, ...]


def checked_checks(checks: Sequence[Check], *, scripts: bool = True) -> tuple[Check, ...]:
    """`checks` if they can be meant; else InvalidRequest. `scripts`: whether programs of this host may be among them."""
    if len(checks) > MOST:
        raise InvalidRequest(f"{len(checks)} checks are too many", hint=f"give at most {MOST}")
    for check in checks:
        seconds = check.seconds if isinstance(check, RunningCheck) else check.timeout
        if not 0 < seconds <= LONGEST:
            raise InvalidRequest(f"{seconds:g} s are no time for a check", hint=f"take more than 0 and at most {LONGEST:g} s")
        match check:
            case TcpCheck(port=port, address=address):
                _must_be_reachable(port, address)
            case ConsoleCheck(pattern=pattern):
                _must_be_a_pattern(pattern)
            case ScriptCheck() if not scripts:
                raise InvalidRequest(
                    "a script is not named with a single test", hint="`understudy drill checks set` makes it one of the machine's checks"
                )
            case ScriptCheck(program=program, arguments=arguments):
                _must_be_a_program(program, arguments)
    return tuple(checks)


def described(check: Check) -> str:
    match check:
        case AgentCheck():
            return "agent"
        case TcpCheck(port=port, address=address):
            return f"tcp {address}:{port}" if address else f"tcp {port}"
        case ConsoleCheck(pattern=pattern):
            return f"console {pattern}"
        case ScriptCheck(program=program, arguments=arguments):
            return " ".join(("script", program, *arguments))
    return f"running for {check.seconds:g} s"


def _must_be_reachable(port: int, address: str) -> None:
    if not 0 < port < 1 << 16:
        raise InvalidRequest(f"{port} is no TCP port", hint="ports are from 1 to 65535")
    if address:
        try:
            ip_address(address)
        except ValueError:
            raise InvalidRequest(f"{address[:80]!r} is no IP address", hint="names are resolved by nobody here") from None


def _must_be_a_pattern(pattern: str) -> None:
    checked_words("regular expression", pattern)
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidRequest(f"{pattern[:80]!r} is no regular expression: {error}", hint="a plain word is one, too") from None


def _must_be_a_program(program: str, arguments: Sequence[str]) -> None:
    if not PurePath(program).is_absolute():
        raise InvalidRequest(f"the program {program[:80]!r} is no absolute path", hint="name it by its absolute path")
    for word in (program, *arguments):
        checked_words("word of a command", word)
