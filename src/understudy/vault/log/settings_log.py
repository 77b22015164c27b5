"""The settings log: who is who in this vault. Read and checked by everybody, appended to by operators.

A source can read it, since it holds the index key, but trusts nothing in it that does not follow, signature by signature, from the
root public key that came with its own credential.
"""

from collections.abc import Callable
from dataclasses import replace

from understudy.errors import AccessDenied, Conflict
from understudy.vault import names
from understudy.vault.keys.identity import Bundle
from understudy.vault.kinds import Body, Genesis
from understudy.vault.log.base_log import BaseLog
from understudy.vault.log.chain import Place
from understudy.vault.log.judge import Record
from understudy.vault.log.record import Opened
from understudy.vault.log.rights import Log, refusal
from understudy.vault.log.salvage import Gap
from understudy.vault.log.settings import Member, Settings, step


class SettingsLog(BaseLog):
    """`state` is what was read last."""

    def __init__(self, place: Place, bundle: Bundle, writer: bytes) -> None:
        super().__init__(place, names.SETTINGS, bundle, writer)
        self.state = Settings(root=bundle.root)
        self._condition: Callable[[Settings], None] = _always

    async def append(self, body: Body, condition: Callable[[Settings], None] | None = None) -> Record:
        """`condition` raises if the settings, as they are just before the record, do not allow it."""
        self._condition = condition or _always
        return await self._append(body)

    async def _prepare(self) -> None:
        """Nothing else is needed to read this log."""

    async def _anchor(self) -> bool:
        return False  # nothing ever trims this log

    async def _take(self, opened: Opened) -> Record:
        self.state, record = step(self.state, opened)
        return record

    def _miss(self) -> None:
        """Whose keys it named, or took away, cannot be told. We are who our own credential says that we are."""
        me = Member(self._bundle.public, self._bundle.role, self._bundle.name)
        members = {me.public: me, **self.state.members}
        self.state = replace(self.state, members=members, gapped=True, revision=self.state.revision + 1)

    def must_have_named(self, public: bytes) -> None:
        """A key slot is written after the record that names its identity: without that record the log has lost its end."""
        if self._place.salvage and public not in self.state.members and not self.state.gapped:
            self._skip(Gap(self.head.seq + 1, self.head.seq + 1, "is missing: it named a key that has a slot"))

    def _taken(self) -> None:
        """`state` is replaced with every record."""

    async def _check(self, body: Body) -> None:
        role, reason = self.state.in_settings(self._bundle.public, self.head.seq + 1)
        reason = reason if role is None else refusal(body.kind, Log.SETTINGS, role)
        if isinstance(body, Genesis):
            raise Conflict("this vault has a genesis already")
        if reason:
            raise AccessDenied(reason, hint="do this with an operator's key")
        self._condition(self.state)

    def _epoch(self) -> int:
        return 0


def _always(_: Settings) -> None:
    """No condition."""
