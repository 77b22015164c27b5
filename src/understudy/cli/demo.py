"""`understudy demo`."""

import asyncio
import signal
import time
from pathlib import Path

import click

from understudy.cli.output import Output, columns
from understudy.cli.words import size
from understudy.demo.report import BLOCK, Cycle, Report
from understudy.demo.story import demonstrate
from understudy.engine.units import count, duration, seconds_of
from understudy.errors import IntegrityError


@click.command("demo")
@click.option("--for", "period", default="25s", show_default=True, metavar="TIME", help="Follow the guest for so long before it is killed.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Leave disks, vault, key and configuration in DIR, which must not exist yet.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout, errors included.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(period: str, keep: Path | None, as_json: bool, debug: bool) -> None:
    """Replicate a real guest, kill it, and bring it back.

    A Linux guest writes numbered records to two disks and names each one once its fsync has returned. A daemon of its own makes
    a point of it each second in an encrypted vault; then the guest is killed with SIGKILL. A new guest starts from the newest
    point and checks its file systems and every record. Ends with an error if anything is missing that was acknowledged before it.
    """
    out = Output(as_json)
    try:
        seen = asyncio.run(_play(out, seconds_of(period), keep))
    except asyncio.CancelledError:
        raise click.Abort from None
    out.document(seen)
    _tell(out, seen)
    if keep:
        out.say(f"disks, vault and key are in {keep}")
    if seen.problems:
        raise IntegrityError(
            "; ".join(seen.problems), hint="a recovery point was not what it promised to be: this is a fault in understudy"
        )


async def _play(out: Output, seconds: float, keep: Path | None) -> Report:
    """Until the end, or until it is cancelled by a signal: whatever was started is ended then, and nothing is left behind."""
    play = asyncio.create_task(demonstrate(_Watcher(out), seconds=seconds, keep=keep))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, play.cancel)
    return await play


class _Watcher:
    """Tells what happens, with the time since the beginning."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        self._out.say(f"{time.monotonic() - self._began:6.1f}  {text}")

    def command(self, line: str) -> None:
        self._out.say(f"{time.monotonic() - self._began:6.1f}  $ {line}", style="bold cyan")

    def cycle(self, cycle: Cycle) -> None:
        dirty, different = size(cycle.scanned_blocks * BLOCK), size(cycle.changed_blocks * BLOCK)
        sent = f"{dirty} dirty, {different} different, {size(cycle.stored_bytes)} sent, {duration(cycle.seconds)}"
        self.say(f"  point {cycle.point}: {cycle.cause}, {sent}")


def _tell(out: Output, seen: Report) -> None:
    verdict = seen.verdict
    whole = not seen.problems
    rows = [
        ("guest", f"under {seen.accelerator}"),
        (
            "initial replication",
            f"{size(seen.initial_bytes)} in {duration(seen.initial_seconds)}, {size(seen.initial_stored_bytes)} stored",
        ),
        ("cycles", f"{seen.cycles}, one each second; half of them took less than {duration(seen.cycle_seconds)}"),
        ("bytes", f"{size(seen.dirty_bytes)} dirty, {size(seen.different_bytes)} different, {size(seen.sent_bytes)} sent"),
        ("ratio", f"{seen.ratio:.1f} different bytes for each byte sent"),
        ("RPO at the kill", duration(seen.rpo_seconds)),
        ("RTO", f"{duration(seen.rto_seconds)} until the restored guest spoke, {duration(seen.restore_seconds)} of them to restore"),
        ("file systems", "clean" if not any(verdict.fsck) else f"DAMAGED: e2fsck said {', '.join(map(str, verdict.fsck))}"),
        (
            "records",
            f"{seen.acknowledged} acknowledged before the kill, {seen.acknowledged_before_freeze} of them before point {seen.point}",
        ),
        ("came back", f"{verdict.present} of {verdict.highest}, {verdict.missing} missing, {verdict.corrupt} corrupt"),
        ("the RPO cost", f"{count(seen.lost, 'record')} acknowledged after the point was frozen"),
    ]
    table = columns("", "")
    table.show_header = False
    for name, text in rows:
        table.add_row(name, text)
    out.say()
    out.table(table)
    out.say()
    said = f"all {seen.acknowledged_before_freeze} records that were acknowledged before the newest point came back"
    out.say(said if whole else "FAILED", style="bold green" if whole else "bold red")
