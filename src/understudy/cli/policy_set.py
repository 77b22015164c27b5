"""`understudy policy set`."""

from typing import Any

import click
import msgspec

from understudy.cli.completing import machine_names
from understudy.cli.policy_words import policy_told, times_of, window_of
from understudy.cli.selecting import time_named
from understudy.cli.session import Session, asking
from understudy.cli.words import NANOSECONDS
from understudy.engine import checked_policy
from understudy.engine.units import bytes_of, seconds_of
from understudy.errors import InvalidRequest


@click.command("set")
@click.argument("name", shell_complete=machine_names)
@click.option("--interval", metavar="TIME", help="A cycle each TIME, from 1s to 30d.")
@click.option("--warning-rpo", metavar="TIME", help="Health is warning when the newest point is this old; 0: derived from the interval.")
@click.option("--critical-rpo", metavar="TIME", help="So for critical.")
@click.option("--app-every", type=click.IntRange(0, 1_000_000), metavar="N", help="Every Nth point is app-consistent; 0: none.")
@click.option("--rate", metavar="BYTES", help="Send no more than this a second, such as 20MiB; 0: unlimited.")
@click.option(
    "windows",
    "--window",
    multiple=True,
    metavar="WHEN",
    help="Another rate at some time, such as 'mon-fri 08:00-18:00 5MiB', in the place of all there are; may be repeated.",
)
@click.option("--no-windows", is_flag=True, help="The same rate at all times.")
@click.option("--initial-at", metavar="TIME", help="Do not begin the initial replication before TIME; `now`: do.")
@click.option("--verify-every", metavar="TIME", help="Prove the newest point when the newest proven one is this old; 0: never.")
@click.option("--drill-every", metavar="TIME", help="Test a copy of the newest point here when the last test is this old; 0: never.")
@click.option("--drill-times", metavar="WHEN", help="Begin such tests only then, such as 'sat,sun 02:00-05:00'; `any`: whenever.")
@click.option("--drill-warning", metavar="TIME", help="Warn when the last test is this old; 0: never.")
@click.option(
    "--second", metavar="URL", help="Copy its points to this copy of the vault (`understudy vault copy create`); `none`: to none."
)
@click.option("--immutable", metavar="TIME", help="Lock what points need in the store, for TIME at any time, such as 14d; 0: no more.")
@click.option("--pause/--resume", "paused", default=None, help="Make no more cycles; go on making them.")
@asking
async def command(
    session: Session,
    name: str,
    interval: str | None,
    warning_rpo: str | None,
    critical_rpo: str | None,
    app_every: int | None,
    rate: str | None,
    windows: tuple[str, ...],
    no_windows: bool,
    initial_at: str | None,
    verify_every: str | None,
    drill_every: str | None,
    drill_times: str | None,
    drill_warning: str | None,
    second: str | None,
    immutable: str | None,
    paused: bool | None,
) -> None:
    """Say how machine NAME is replicated. What is not named stays as it is."""
    durations = {"interval": interval, "warning_rpo": warning_rpo, "critical_rpo": critical_rpo, "verify_every": verify_every}
    durations |= {"drill_every": drill_every, "drill_warning": drill_warning, "immutable": immutable}
    changes: dict[str, Any] = {field: seconds_of(text, zero=True) for field, text in durations.items() if text is not None}
    changes |= {field: value for field, value in {"app_every": app_every, "paused": paused}.items() if value is not None}
    if rate is not None:
        changes["rate"] = bytes_of(rate)
    if second is not None:
        changes["second"] = "" if second == "none" else second
    if initial_at is not None:
        changes["initial_at"] = None if initial_at == "now" else _instant(initial_at)
    if drill_times is not None:
        changes["drill_times"] = None if drill_times == "any" else times_of(drill_times)
    if windows and no_windows:
        raise InvalidRequest("--window and --no-windows exclude each other")
    if windows or no_windows:
        changes["windows"] = tuple(window_of(text) for text in windows)
    if not changes:
        raise InvalidRequest("nothing says what should change", hint="name it, such as --interval 5s")
    async with session.daemon.opened() as service:
        status = await service.status(name)
        policy = await service.set_policy(status.id, checked_policy(msgspec.structs.replace(status.policy, **changes)))
        status = await service.status(status.id)
    session.output.document(policy)
    policy_told(session.output, status)


def _instant(text: str) -> int:
    """The second that is named, in ns."""
    end = time_named(text)
    if end is None:
        raise InvalidRequest(f"{text!r} is no time", hint="write it as 2026-11-20T22:00, or `now`")
    return end - NANOSECONDS
