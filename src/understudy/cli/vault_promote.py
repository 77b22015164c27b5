"""`understudy vault promote`."""

import shlex

import click

from understudy.cli.confirming import confirmed
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.words import local_time
from understudy.engine.promotion import PromoteSecond, Prospect, Prospects
from understudy.engine.units import count


@click.command("promote")
@click.argument("url")
@click.option("--despite-damage", is_flag=True, help="Though points of it are not whole.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def command(session: Session, url: str, despite_damage: bool, yes: bool) -> None:
    """Make the copy at URL the vault, since the vault that is named by --vault, of which it is a copy, is lost.

    What the copy does not have is lost: it is told before you are asked. The former vault is told that it was given up, if it can be
    reached; sites that name the copy as their vault go on with it from then on, and refuse the former one even when it comes back. Takes
    an operator's key, and this site's daemon must be stopped. Said again it does what is left of it.
    """
    from understudy.app import open_seconds

    session.must_name_a_vault("a promotion")
    out = session.output
    async with open_seconds(session.connection()) as seconds:
        shown = await seconds.prospects(url)
        if not out.as_json:
            for line in _told(shown):
                out.say(line)
        if not shown.promoted:
            danger = "" if not shown.vault else "; whoever can still reach the former vault goes on there, unless it was given up"
            confirmed(yes, f"the copy at {url} becomes the vault in the place of {session.vault}{danger}")
        done = await seconds.promote_second(PromoteSecond(url=url, despite=despite_damage))
    out.document(done)
    out.say(f"{url} is the vault now", style="bold")
    if done.told:
        out.warn(f"the former vault could not be told: {done.told}")
        out.warn("a site that still names it goes on there, to be lost: change them first, and say this again when it can be reached")
    sites = ", ".join(done.sites) or "no site yet"
    for name in done.seconds:
        out.warn(f"{name} is still copied to this place: once the daemon runs, understudy policy set {name} --second ANOTHER-URL (or none)")
    out.say(f"next, at every site ({sites}): name it as `url` in [vault], make `second` another place, or none, and restart the daemon")


def _told(shown: Prospects) -> list[str]:
    lines = [f"vault {shown.vault_id}"]
    if shown.promoted:
        lines.append("this copy was promoted before: what is left of that is done")
    if shown.vault:
        lines.append(f"the vault itself cannot be asked: {shown.vault}")
    for machine in shown.machines:
        lines += _machine(machine)
    if not (shown.vault or shown.promoted) and any(machine.records for machine in shown.machines):
        typed = f"understudy vault copy run {shlex.quote(shown.url)}"
        lines.append(f"the vault itself can still be read, and what is whole there need not be lost: `{typed}` brings it over first")
    return lines


def _machine(machine: Prospect) -> list[str]:
    if machine.point is None or machine.frozen_at is None:
        has = f"{machine.machine}: LOST, the copy has no point of it"
    else:
        has = (
            f"{machine.machine}: {count(machine.points, 'point')}, the newest is {machine.point}, frozen at {local_time(machine.frozen_at)}"
        )
    lines = [has]
    if machine.lost:
        lines.append(f"  {count(len(machine.lost), 'point')} LOST, from {machine.lost[0]} to {machine.lost[-1]}")
    elif machine.lost is None and machine.records:
        lines.append(f"  {count(machine.records, 'record')} LOST that this site has seen; there may be more")
    elif machine.lost is None:
        lines.append("  nothing newer was seen from here; there may be more")
    if machine.failed_over:
        lines.append("  a FAILOVER is lost: the copy takes the former primary for the primary; see that it runs in one place only")
    lines += [f"  DAMAGED {damage.name}: {damage.reason}" for damage in machine.damage[:10]]
    return lines
