"""`understudy plan run`."""

from typing import get_args

import click
import msgspec

from understudy.cli.plan_words import checked_told, run_told
from understudy.cli.session import Session, asking
from understudy.engine import PlanKind, PlanPoint, Progress, RunPlan
from understudy.engine.units import count
from understudy.errors import InvalidRequest, PlanFailed, UnderstudyError


@click.command("run")
@click.argument("name")
@click.argument("kind", type=click.Choice(get_args(PlanKind)))
@click.option("--point", type=click.Choice(get_args(PlanPoint)), default="latest", show_default=True, help="From which points.")
@click.option("--reason", default="", help="Why; for the report.")
@click.option("--cleanup", is_flag=True, help="Of a test: remove its copies in the end, and ask nobody before.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done; the same as `plan check`.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@click.option("--wait", is_flag=True, help="Stay until it has ended, and tell what it does and waits for.")
@asking
async def command(
    session: Session, name: str, kind: PlanKind, point: PlanPoint, reason: str, cleanup: bool, dry_run: bool, yes: bool, wait: bool
) -> None:
    """Run recovery plan NAME.

    \b
    test       start copies of the machines in isolation, and remove them in the end; what runs is left alone
    planned    shut the machines down where they run, lose nothing, start them here
    unplanned  their site is gone: start them here from points that there are
    failback   the planned way back

    What is run is the plan as it is now: setting it anew changes no run that goes on.
    """
    request = RunPlan(plan=name, kind=kind, point=point, reason=reason, cleanup=cleanup)
    out = session.output
    async with session.daemon.opened() as service:
        if dry_run:
            checked_told(out, await service.check_plan(request))
            return
        shown = await service.engine.plan(name)
        machines = count(sum(len(group.machines) for group in shown.plan.groups), "machine")
        if kind != "test" and not yes:
            if out.as_json or not out.is_screen:
                raise InvalidRequest("a run that is no test must be meant", hint="give --yes")
            click.confirm(f"Run plan {name} as {kind}, with {machines}?", abort=True, err=True)
        job = await service.run_plan(msgspec.structs.replace(request, revision=shown.revision))
        if not wait:
            try:
                await service.plan_run(job.id)
            except UnderstudyError:
                if (await service.job(job.id)).error is not None:
                    raise  # it did not begin, since a machine is in another run, or is none
            out.document(job)
            out.say(f"run {job.id} of plan {name} began, with {machines}", style="bold")
            out.say(f"next: understudy plan status {job.id}")
            return
        told: list[str] = []

        def tell(progress: Progress) -> None:
            if told[-1:] != [progress.phase]:
                told[:] = [progress.phase]
                out.say(progress.phase, style="dim")

        job = await service.waited_for(job, tell)
        if job.error is not None and job.error.code != PlanFailed.code:
            raise InvalidRequest(job.error.message, hint=job.error.hint)
        run = await service.plan_run(job.id)
    run_told(out, run)
    if job.error is not None:
        raise PlanFailed(job.error.message, hint=job.error.hint)
