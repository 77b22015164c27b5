"""`understudy points --group`."""

from understudy.cli.output import columns
from understudy.cli.session import Session
from understudy.cli.words import age, local_time
from understudy.engine import Instant
from understudy.errors import NotFound


async def instants_listed(session: Session, group: str) -> None:
    """A group's instants, oldest first; the incomplete ones say whose point they lack."""
    async with session.engine() as engine:
        instants = tuple(instant for instant in await engine.instants() if instant.group == group)
    if not instants:
        raise NotFound(f"this vault has no point of a group {group!r}", hint="`understudy group list` shows what there is")
    session.output.document(instants)
    table = columns("instant", "frozen at", "age", "points", "whole", wrapped=("points", "whole"))
    for instant in instants:
        points = ", ".join(f"{member.name}@{member.point.number}" for member in instant.members if member.point is not None)
        table.add_row(instant.id[:8], local_time(instant.frozen_at)[:-4], age(instant.frozen_at), points, whole(instant))
    session.output.table(table)


def whole(instant: Instant) -> str:
    lacking = [member.name for member in instant.members if member.point is None]
    return f"no: without {', '.join(lacking)}" if lacking else "yes"
