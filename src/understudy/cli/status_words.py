"""The first screen: what a machine's line says, and what is to be done. Pure."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from understudy.cli.output import columns
from understudy.cli.words import NANOSECONDS, age, count, duration, size
from understudy.engine import Health, MachineStatus, Reason, ServiceHealth

STYLES: dict[Health, str] = {"normal": "green", "warning": "bold yellow", "critical": "bold red"}


def headline(service: ServiceHealth) -> Text:
    """The daemon in one line."""
    up = duration(max(service.now - service.started_at, 0) / NANOSECONDS)
    running = f"{count(service.running_cycles, 'cycle')} and {count(service.running_jobs, 'job')} running"
    line = Text(f"{service.site}: {count(service.machines, 'machine')}, {running}, up {up}, vault {service.vault}")
    line.stylize("bold", 0, len(service.site))
    return line


def table_of(machines: Sequence[MachineStatus], now: int) -> Table:
    """A line a machine; the worst first, then by name."""
    order = {"critical": 0, "warning": 1, "normal": 2}
    table = columns(
        "machine", "health", "RPO", "limit", "newest point", "next", "rate", "state", right=("RPO", "limit", "rate"), wrapped=("state",)
    )
    for machine in sorted(machines, key=lambda machine: (order[machine.health], machine.name)):
        table.add_row(
            Text(machine.name),
            Text(machine.health, style=STYLES[machine.health]),
            "none" if machine.rpo_seconds is None else duration(machine.rpo_seconds),
            duration(machine.warning_rpo) if machine.warning_rpo else "-",
            _newest(machine, now),
            _next(machine, now),
            _rate(machine),
            Text(_doing(machine)),
        )
    return table


def _newest(machine: MachineStatus, now: int) -> str:
    if machine.newest_point is None or machine.newest_frozen_at is None:
        return "none yet"
    return f"{machine.newest_point}, {age(machine.newest_frozen_at, now)}"


def _next(machine: MachineStatus, now: int) -> str:
    if machine.progress is not None:
        return "now"
    if machine.next_at is None:
        return "-"
    return "due" if machine.next_at <= now else f"in {duration((machine.next_at - now) / NANOSECONDS)}"


def _rate(machine: MachineStatus) -> str:
    """What the last cycles stored, over the time that they took."""
    figures = machine.cycles
    return f"{size(figures.average_bytes / figures.average_seconds)}/s" if figures.count and figures.average_seconds else "-"


def _doing(machine: MachineStatus) -> str:
    progress = machine.progress
    if progress is None:
        return machine.phase
    done = f" {100 * progress.done // progress.total} %" if progress.total else ""
    return f"{machine.phase}: {progress.phase}{done}"


def reasons(service: ServiceHealth, machines: Sequence[MachineStatus]) -> list[Text]:
    """Why a health is not normal, and what to do about it, below each other."""
    told = [line for reason in service.reasons for line in _reason("daemon", reason)]
    for machine in machines:
        told += [line for reason in machine.reasons for line in _reason(machine.name, reason)]
    return told


def _reason(whose: str, reason: Reason) -> list[Text]:
    first = Text(f"{whose}: ")
    first.append(reason.health, style=STYLES[reason.health])
    first.append(f": {reason.message}")
    return [first, Text(f"  {reason.hint}")] if reason.hint else [first]
