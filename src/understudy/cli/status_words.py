"""The first screen: what a machine's line says, and what is to be done. Pure."""

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from understudy.cli.job_words import how_far, what
from understudy.cli.output import columns
from understudy.cli.standby_words import line
from understudy.cli.words import NANOSECONDS, local_time
from understudy.engine import Health, Job, MachineStatus, Reason, ServiceHealth
from understudy.engine.units import count, duration

STYLES: dict[Health, str] = {"normal": "green", "warning": "bold yellow", "critical": "bold red"}
_WORST_FIRST: tuple[Health, ...] = ("critical", "warning", "normal")


def headline(service: ServiceHealth, machines: Sequence[MachineStatus]) -> Text:
    """The daemon in a line or two: how its machines are, and what it does."""
    line = Text(f"{service.site}: {count(len(machines), 'machine')}")
    line.stylize("bold")
    numbers = {health: sum(machine.health == health for machine in machines) for health in _WORST_FIRST}
    if machines and numbers["normal"] == len(machines):
        line.append(", normal" if len(machines) == 1 else ", all normal", style=STYLES["normal"])
    else:
        for health in _WORST_FIRST[:2]:
            if numbers[health]:
                line.append(", ").append(f"{numbers[health]} {health}", style=STYLES[health])
    if service.health != "normal":
        line.append(", the daemon ").append(service.health, style=STYLES[service.health])
    up = duration(max(service.now - service.started_at, 0) / NANOSECONDS)
    running = f"{count(service.running_cycles, 'cycle')} and {count(service.running_jobs, 'job')} running"
    promoted = f", promoted {local_time(service.place.at)}" if service.place.kind == "promoted" and service.place.at is not None else ""
    return line.append(f"\n{running}, up {up}, vault {service.vault}{promoted}", style="dim")


def worst_first(machines: Sequence[MachineStatus]) -> list[MachineStatus]:
    """Then by name."""
    return sorted(machines, key=lambda machine: (_WORST_FIRST.index(machine.health), machine.name))


def table_of(machines: Sequence[MachineStatus], jobs: Sequence[Job], now: int) -> Table:
    """A line a machine. `jobs`: those that have not ended."""
    table = columns("machine", "health", "RPO now", "point", "frozen at", "next", "state", right=("RPO now", "point"), wrapped=("state",))
    for machine in machines:
        table.add_row(
            Text(machine.name),
            Text(machine.health, style=STYLES[machine.health]),
            _rpo(machine),
            "none" if machine.newest_point is None else str(machine.newest_point),
            "-" if machine.newest_frozen_at is None else moment(machine.newest_frozen_at, now),
            _next(machine, now),
            Text("; ".join([_doing(machine), *_standing(machine), *(job_line(job) for job in jobs if job.machine == machine.id)])),
        )
    return table


def _rpo(machine: MachineStatus) -> Text:
    """The age of the newest point, and the one at which health changes."""
    limit = f" of {duration(machine.warning_rpo)}" if machine.warning_rpo else ""
    if machine.rpo_seconds is None:
        return Text(f"none{limit}")
    late: Health = "normal"
    if machine.warning_rpo and machine.rpo_seconds > machine.warning_rpo:
        late = "critical" if machine.critical_rpo and machine.rpo_seconds > machine.critical_rpo else "warning"
    age = duration(machine.rpo_seconds if machine.rpo_seconds < 10 else round(machine.rpo_seconds))
    return Text(age, style=STYLES[late] if late != "normal" else "").append(limit, style="dim")


def moment(at: int, now: int) -> str:
    """The time of day, in this host's zone, and the date if that is another one."""
    then, today = (datetime.fromtimestamp(time // NANOSECONDS).astimezone() for time in (at, now))
    return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M}"


def _next(machine: MachineStatus, now: int) -> str:
    if machine.progress is not None:
        return "now"
    if machine.next_at is None:
        return "-"
    seconds = round((machine.next_at - now) / NANOSECONDS)
    return f"in {duration(seconds)}" if seconds > 0 else "due"


def _doing(machine: MachineStatus) -> str:
    progress = machine.progress
    # Whoever sees "protected" beside a machine whose cycles fail looks no further.
    if machine.phase == "standby":
        return "elsewhere"
    state = "failing" if machine.failures and machine.phase in ("protected", "initial") else machine.phase
    if progress is None:
        return state
    done = f" {100 * progress.done // progress.total} %" if progress.total else ""
    return f"{state}: {progress.phase}{done}"


def _standing(machine: MachineStatus) -> list[str]:
    """How its standby here is."""
    if machine.standby is None:
        return []
    progress = machine.standby_progress
    done = f" {100 * progress.done // progress.total} %" if progress and progress.total else ""
    return [f"standby {line(machine.standby)}" + (f": {progress.phase}{done}" if progress else "")]


def job_line(job: Job) -> str:
    """A job that has not ended."""
    far = how_far(job)
    return f"{what(job)} {job.state}{f': {far}' if far else ''}"


def reasons(service: ServiceHealth, machines: Sequence[MachineStatus], *, in_detail: bool = True) -> list[Text]:
    """Why a health is not normal, and what to do about it, below each other."""
    told = [line for reason in service.reasons for line in _reason("daemon", reason)]
    for machine in machines:
        # Every machine begins untested; of many that says too much.
        shown = (reason for reason in machine.reasons if in_detail or reason.code != "never-tested")
        told += [line for reason in shown for line in _reason(machine.name, reason)]
    return told


def _reason(whose: str, reason: Reason) -> list[Text]:
    first = Text(f"{whose}: ")
    first.append("note" if reason.health == "normal" else reason.health, style=STYLES[reason.health] if reason.health != "normal" else "")
    first.append(f": {reason.message}")
    return [first, Text(f"  {reason.hint}")] if reason.hint else [first]
