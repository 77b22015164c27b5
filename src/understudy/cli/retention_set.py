"""`understudy retention set`."""

import click

from understudy.cli.completing import machine_names
from understudy.cli.confirming import confirmed, is_asked
from understudy.cli.retention_words import kept_words, policy_words
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.engine import Policy, SetRetention
from understudy.engine.units import span_of
from understudy.errors import InvalidRequest

_NUMBER = click.IntRange(min=0, max=1_000_000)


@click.command("set")
@click.argument("name", shell_complete=machine_names)
@click.option("all_for", "--all-for", metavar="TIME", help="Keep every point this young, such as 24h; counted from the newest.")
@click.option("hourly", "--hourly", type=_NUMBER, default=0, help="Keep the newest point of each of so many hours.")
@click.option("daily", "--daily", type=_NUMBER, default=0, help="Of so many days.")
@click.option("weekly", "--weekly", type=_NUMBER, default=0, help="Of so many weeks.")
@click.option("monthly", "--monthly", type=_NUMBER, default=0, help="Of so many months.")
@click.option("least", "--least", type=click.IntRange(min=1, max=1_000_000), default=1, help="Never keep fewer points than this.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def command(
    session: Session, name: str, all_for: str | None, hourly: int, daily: int, weekly: int, monthly: int, least: int, yes: bool
) -> None:
    """Give machine NAME a policy, in the place of any that it has; what is not named is not kept.

    Nothing is dropped by this, but the daemon prunes by it within the hour: at a terminal it asks. `understudy prune NAME --dry-run`
    then shows what would be dropped. Hours, days, weeks (from Monday) and months are those of UTC in which the machine has points.
    """
    young = span_of(all_for) if all_for is not None else 0
    if not (young or hourly or daily or weekly or monthly) and least == 1:
        raise InvalidRequest("this policy keeps nothing but the newest point", hint="say what to keep, such as --all-for 24h --daily 7")
    policy = Policy(all_for=young, hourly=hourly, daily=daily, weekly=weekly, monthly=monthly, least=least)
    async with session.engine() as engine:
        if is_asked(yes) and (before := (await engine.retention(name)).policy) != policy:
            now = f"from now on {kept_words(policy)}, and what that does not keep will be dropped"
            confirmed(yes, f"{policy_words(name, before)}; {now}")
        shown = await engine.set_retention(SetRetention(machine=name, policy=policy))
    session.output.document(shown)
    session.output.say(policy_words(shown.machine, shown.policy))
