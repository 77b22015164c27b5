"""Who may ask for what. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from understudy.api.tokens import Token
from understudy.engine import Value
from understudy.errors import AccessDenied

Access: TypeAlias = Literal["viewer", "operator", "admin"]
_RANK: dict[str, int] = {"viewer": 1, "operator": 2, "admin": 3}


class Identity(Value, frozen=True):
    """Who asks. `role` None: known, and allowed nothing."""

    name: str
    role: Access | None
    via: Literal["socket", "token"]


@dataclass(frozen=True)
class Settings:
    """Names of users, and of groups as @group, for those who come by the unix socket; tokens for those who come by TCP.

    root and the daemon's own user are admins in any case: they could read its key and its memory.
    """

    admins: tuple[str, ...] = ("root", "@libvirt")
    operators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ("@adm",)
    tokens: tuple[Token, ...] = ()


def role_of(settings: Settings, user: str, groups: Iterable[str]) -> Access | None:
    """The highest role that a user has by name or by a group."""
    known = {user, *(f"@{group}" for group in groups)}
    lists: tuple[tuple[Access, tuple[str, ...]], ...] = (
        ("admin", settings.admins),
        ("operator", settings.operators),
        ("viewer", settings.viewers),
    )
    return next((role for role, names in lists if known.intersection(names)), None)


def require(identity: Identity, role: Access) -> None:
    if identity.role is None:
        raise AccessDenied(
            f"{identity.name} may not use this daemon", hint="name the user, or a group as @group, under [api] in its configuration"
        )
    if _RANK[identity.role] < _RANK[role]:
        raise AccessDenied(f"this needs the role {role}, and {identity.name} is {identity.role}", hint="ask somebody who has it")
