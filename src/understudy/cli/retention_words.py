"""A retention policy as people read it."""

from understudy.engine import Policy
from understudy.engine.units import count, duration


def policy_words(machine: str, policy: Policy | None) -> str:
    if policy is None:
        return f"{machine} has no retention policy: every point stays"
    return f"{machine} keeps {kept_words(policy)}"


def kept_words(policy: Policy) -> str:
    parts = [f"all of the newest {duration(policy.all_for)}"] if policy.all_for else []
    for number, unit in ((policy.hourly, "hour"), (policy.daily, "day"), (policy.weekly, "week"), (policy.monthly, "month")):
        if number:
            parts.append(f"the newest of each of {count(number, unit)}")
    parts.append(f"never fewer than {count(policy.least, 'point')}")
    return "; ".join(parts)
