"""What `plan confirm`, `retry`, `skip` and `abort` have in common."""

from understudy.cli.plan_words import run_told
from understudy.cli.session import Session
from understudy.engine import AnswerStep, Reply


async def answered(session: Session, run: str, reply: Reply, step: str, note: str) -> None:
    async with session.daemon.opened() as service:
        found = await service.answer_plan(run, AnswerStep(reply=reply, step=step, note=note))
    run_told(session.output, found)
