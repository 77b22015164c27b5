"""A program of the operator's own that looks at the machine."""

from understudy.engine import ScriptCheck
from understudy.failover.health.subject import Found, Subject, Unwell, plain
from understudy.programs import ended


async def passes(subject: Subject, check: ScriptCheck) -> Found:
    """Once: it may wait itself."""
    try:
        done = await ended((check.program, *check.arguments), environment(subject))
    except OSError as error:
        raise Unwell(f"{check.program} could not be run: {error.strerror}") from None
    if done.status:
        raise Unwell(f"{check.program} ended with {done.how}: {plain(done.said, 200)}".removesuffix(": "))
    return Found(f"{check.program} ended with status 0", output=done.said)


def environment(subject: Subject) -> dict[str, str]:
    """What the program is told."""
    return {
        "UNDERSTUDY_MACHINE": subject.machine,
        "UNDERSTUDY_MACHINE_NAME": subject.name,
        "UNDERSTUDY_POINT": subject.point,
        "UNDERSTUDY_RUN": subject.run,
        "UNDERSTUDY_ADDRESSES": " ".join(subject.addresses),
        "UNDERSTUDY_FORWARDS": " ".join(f"{guest}=127.0.0.1:{here}" for guest, here in sorted(subject.forwards.items())),
        "UNDERSTUDY_NAMESPACE": subject.namespace,
    }
