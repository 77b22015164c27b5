"""A recovery plan as TOML, the form in which people write it and the vault keeps it. Every error names its key."""

import difflib
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec

from understudy.engine.plans import Action, Manual, PlanGroup, RecoveryPlan, Script
from understudy.engine.values import checked_name, checked_words
from understudy.errors import InvalidRequest

MOST_TEXT = 256 << 10
MOST_GROUPS = 100
MOST_MACHINES = 1000
MOST_ACTIONS = 50
DAY = 86400.0
"""The longest that a script may take, or a delay be."""
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\$?")
_TABLES: dict[str, tuple[str, ...]] = {
    "": ("description", "group"),
    "group": ("name", "machines", "pre", "post", "delay", "on-failure", "parallel"),
    "script": ("kind", "command", "timeout", "user", "repeat"),
    "manual": ("kind", "text"),
}
_FIELDS = {"group": "groups", "delay": "delay_seconds", "on-failure": "on_failure"}
_KEYS = {field: key for key, field in _FIELDS.items()}


def plan_of(text: str) -> RecoveryPlan:
    """`InvalidRequest` for what cannot be meant; the words begin with the key, such as `group[2].pre[1].timeout`."""
    if len(text.encode()) > MOST_TEXT:
        raise InvalidRequest(f"this plan is longer than {MOST_TEXT >> 10} KiB")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"this is not TOML: {error}", hint="strings stand in quotes; each group begins with [[group]]") from None
    for key, known in _unknown(raw, "", ""):
        last = key.rpartition(".")[2]
        near = difflib.get_close_matches(last, known, 1, 0.5)
        raise InvalidRequest(
            f"{key}: there is no such key", hint=(f"did you mean {near[0]}? " if near else "") + f"there are {', '.join(known)}"
        )
    try:
        plan = msgspec.convert(_renamed(raw), RecoveryPlan)
    except msgspec.ValidationError as error:
        raise _explained(error) from None
    return checked_plan(plan)


def checked_plan(plan: RecoveryPlan) -> RecoveryPlan:
    if plan.description:
        _of("description", lambda: checked_words("description", plan.description))
    if not 1 <= len(plan.groups) <= MOST_GROUPS:
        raise InvalidRequest(
            f"group: a plan of {len(plan.groups)} groups makes no sense", hint=f"write 1 to {MOST_GROUPS} [[group]] tables"
        )
    names: set[str] = set()
    machines: set[str] = set()
    for number, group in enumerate(plan.groups, 1):
        here = f"group[{number}]"
        _of(f"{here}.name", lambda group=group: checked_words("name of a group", group.name))
        if group.name in names:
            raise InvalidRequest(f"{here}.name: there are two groups {group.name!r}")
        names.add(group.name)
        _check_group(here, group)
        for machine in group.machines:
            if machine in machines:
                raise InvalidRequest(f"{here}.machines: {machine} is in this plan twice", hint="a plan brings every machine up once")
            machines.add(machine)
    if len(machines) > MOST_MACHINES:
        raise InvalidRequest(f"group: a plan of {len(machines)} machines is too large", hint=f"{MOST_MACHINES} are the most")
    return plan


def _check_group(here: str, group: PlanGroup) -> None:
    for machine in group.machines:
        _of(f"{here}.machines", lambda machine=machine: checked_name("machine", machine))
    if not (group.machines or group.pre or group.post):
        raise InvalidRequest(f"{here}: it has neither machines nor actions")
    if not 0 <= group.delay_seconds <= DAY:
        raise InvalidRequest(f"{here}.delay: {group.delay_seconds:g} s make no sense", hint=f"0 to {DAY:g}")
    if not 0 <= group.parallel <= MOST_MACHINES:
        raise InvalidRequest(f"{here}.parallel: {group.parallel} at once make no sense", hint=f"0 (all) to {MOST_MACHINES}")
    for which, actions in (("pre", group.pre), ("post", group.post)):
        if len(actions) > MOST_ACTIONS:
            raise InvalidRequest(f"{here}.{which}: {len(actions)} actions are too many", hint=f"{MOST_ACTIONS} are the most")
        for place, action in enumerate(actions, 1):
            _check_action(f"{here}.{which}[{place}]", action)


def _check_action(here: str, action: Action) -> None:
    match action:
        case Manual(text=text):
            _of(f"{here}.text", lambda: checked_words("text for a manual step", text))
        case Script(command=command, timeout=timeout, user=user):
            if not command or not command[0].startswith("/"):
                raise InvalidRequest(
                    f"{here}.command: a program's absolute path must come first", hint='command = ["/usr/local/sbin/dns", "up"]'
                )
            if any("\0" in word for word in command) or len(command) > 100 or sum(map(len, command)) > 8192:
                raise InvalidRequest(f"{here}.command: no program takes this", hint="at most 100 words and 8192 characters")
            if not 0 < timeout <= DAY:
                raise InvalidRequest(f"{here}.timeout: {timeout:g} s make no sense", hint=f"more than 0, at most {DAY:g}")
            if user and _USER.fullmatch(user) is None:
                raise InvalidRequest(f"{here}.user: {user[:40]!r} is no user's name")


def _of(key: str, check: Any) -> None:
    try:
        check()
    except InvalidRequest as error:
        raise InvalidRequest(f"{key}: {error.message}", hint=error.hint) from None


def _unknown(raw: dict[str, Any], table: str, above: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, value in raw.items():
        if key not in _TABLES[table]:
            yield above + key, _TABLES[table]
        elif isinstance(value, list) and (table, key) in (("", "group"), ("group", "pre"), ("group", "post")):
            for place, one in enumerate(value, 1):
                below = "group" if not table else str(one.get("kind", "")) if isinstance(one, dict) else ""
                if isinstance(one, dict) and below in ("group", "script", "manual"):
                    yield from _unknown(one, below, f"{above}{key}[{place}].")


def _renamed(raw: dict[str, Any]) -> dict[str, Any]:
    fields = {_FIELDS.get(key, key): value for key, value in raw.items()}
    if isinstance(fields.get("groups"), list):
        fields["groups"] = [
            {_FIELDS.get(key, key): value for key, value in one.items()} if isinstance(one, dict) else one for one in fields["groups"]
        ]
    return fields


def _explained(error: msgspec.ValidationError) -> InvalidRequest:
    """msgspec says `Expected `int`, got `str` - at `$.groups[0].parallel``; people count from one, and by the keys of the file."""
    words, _, place = str(error).partition(" - at ")
    place = place.strip("`").removeprefix("$").lstrip(".")
    missing = re.fullmatch(r"Object missing required field `(.+)`", words)
    if missing:
        place, words = f"{place}.{missing[1]}".lstrip("."), "is missing"
    place = re.sub(r"\[(\d+)\]", lambda found: f"[{int(found[1]) + 1}]", place)
    place = re.sub(r"[a-z_]+", lambda found: _KEYS.get(found[0], found[0]), place)
    return InvalidRequest(f"{place}: {words.replace('`', '')}" if place else words.replace("`", ""), hint="docs/operations.md shows a plan")
