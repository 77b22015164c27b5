"""`understudy collect`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed, is_asked
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import size
from understudy.engine import Collect, Collected, Weight
from understudy.engine.units import count, duration, span_of


@click.command("collect")
@click.argument("name", shell_complete=machine_names)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--grace", default="24h", show_default=True, metavar="TIME", help="How long readers may go on reading what goes, such as 24h or 0."
)
@common
async def command(session: Session, name: str, dry_run: bool, grace: str, yes: bool) -> None:
    """Give back the space that no kept point of machine NAME needs.

    What is not needed is condemned first, and deleted by a later collection on this host, when it has been condemned for the
    grace: a restore that is under way ends within that time, or fails. With --grace 0 it goes at once. So do old records of the
    machine's log. Repeat it if it fails or is killed. Takes an operator's key. At a terminal a grace of 0 asks.
    """
    seconds = span_of(grace)
    if not (seconds or dry_run) and is_asked(yes):
        confirmed(yes, f"what no kept point of {name} needs is deleted at once: a restore that is under way may fail")
    async with session.engine() as engine:
        done = await engine.collect(Collect(machine=name, grace_seconds=seconds, dry_run=dry_run))
    session.output.document(done)
    for line in _lines(done, seconds):
        session.output.say(line)


def _lines(done: Collected, grace: int) -> list[str]:
    would = "would be " if done.dry_run else ""
    lines = [f"{done.machine}: {_weight(done.deleted)} {would}deleted"]
    if done.condemned.objects:
        lines.append(f"  {_weight(done.condemned)} {would}condemned, to be deleted by a collection in {duration(grace)} or later")
    if done.rewritten_packs:
        moved = f"  what is needed of {count(done.rewritten_packs, 'pack')} {would or 'was '}moved ({size(done.written_bytes)})"
        lines.append(moved)
    if done.waiting.objects:
        lines.append(f"  {_weight(done.waiting)} condemned before, whose grace has not passed")
    if done.locked.objects:
        lines.append(f"  {_weight(done.locked)} due, and locked by the store: a collection after the end of their locks deletes them")
    if done.swept.objects:
        lines.append(f"  {_weight(done.swept, 'record')} of the log {would}deleted")
    if done.trimmed.objects:
        lines.append(f"  {_weight(done.trimmed, 'record')} of the log {would}trimmed, to be deleted when their grace has passed")
    if not any(part.objects for part in (done.deleted, done.condemned, done.waiting, done.locked, done.swept, done.trimmed)):
        usage = f"`understudy usage {done.machine}` tells what kept points need, and what may come back later"
        lines.append(f"  nothing was to come back yet: {usage}")
    return lines


def _weight(weight: Weight, noun: str = "object") -> str:
    return f"{count(weight.objects, noun)} ({size(weight.bytes)})"
