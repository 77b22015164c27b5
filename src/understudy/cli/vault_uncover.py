"""`understudy vault uncover`."""

import click

from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import Uncover, Uncovered
from understudy.engine.units import count
from understudy.errors import InvalidRequest, StoreRefused

SHOWN = 10


@click.command("uncover")
@click.option("--dry-run", is_flag=True, help="Only say what is covered.")
@click.option("--all", "everything", is_flag=True, help="Also what no lock held then, such as what was collected.")
@common
async def command(session: Session, dry_run: bool, everything: bool) -> None:
    """Bring back what somebody deleted or overwrote in a bucket with object lock.

    The first version of every object that was covered while its lock was in effect is what readers see again. Takes no key, and credentials
    that may remove versions, or else write: name the vault by --vault. It may be said again, and what is there already stays.
    """
    from understudy.app import uncover

    if not session.vault:
        raise InvalidRequest(
            "no vault is named", hint="give --vault URL, with credentials that may remove versions: the daemon's should not"
        )
    done = await uncover(session.connection(keyless=True), Uncover(everything=everything, dry_run=dry_run))
    out = session.output
    out.document(done)
    for line in _lines(done):
        out.say(line)
    if done.doubt:
        out.warn(done.doubt)
    for name, reason in [*done.failed.items()][:SHOWN]:
        out.warn(f"{name}: {reason}")
    if done.failed:
        raise StoreRefused(
            f"{count(len(done.failed), 'object')} did not come back", hint="use credentials that may remove versions, or write objects"
        )


def _lines(done: Uncovered) -> list[str]:
    would = "would come" if done.dry_run else "came"
    lines = [
        f"{count(done.objects, 'object')} looked at; {count(len(done.found), 'locked one')} deleted or overwritten by somebody {would} back"
    ]
    lines += _some(done.found)
    slots = sum(name.startswith("keys/") for name in done.found)
    if slots:
        lines.append(f"  among them {count(slots, 'key slot')}: remove again what you had removed yourself (understudy vault key list)")
    if done.unlocked:
        fate = f"{would} back, too" if done.everything else "stay as they are: a collection deletes such; --all brings them back"
        lines.append(f"{count(len(done.unlocked), 'other')} covered when no lock held them {fate}")
        lines += _some(done.unlocked) if done.everything else []
    return lines


def _some(names: tuple[str, ...]) -> list[str]:
    more = [f"  and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return [*(f"  {name}" for name in names[:SHOWN]), *more]
