"""The settings log: who is who in this vault. Read and checked by everybody, appended to by operators.

A source can read it, since it holds the index key, but trusts nothing in it that does not follow, signature by signature, from the
root public key that came with its own credential.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from understudy.errors import AccessDenied, Conflict
from understudy.finish import finish_in_thread
from understudy.vault import names
from understudy.vault.keys.identity import Bundle
from understudy.vault.kinds import Body, Genesis, Promotion, Superseded
from understudy.vault.log import lineage
from understudy.vault.log.base_log import BaseLog
from understudy.vault.log.chain import Place
from understudy.vault.log.judge import Record
from understudy.vault.log.record import Opened
from understudy.vault.log.rights import Log, refusal
from understudy.vault.log.salvage import Gap
from understudy.vault.log.settings import Member, Settings, must_take_records, step


class SettingsLog(BaseLog):
    """`state` is what was read last."""

    def __init__(self, place: Place, bundle: Bundle, writer: bytes) -> None:
        super().__init__(place, names.SETTINGS, bundle, writer)
        self.state = Settings(root=bundle.root)
        self._condition: Callable[[Settings], None] = _always
        self._promoting = False
        self._revoked = frozenset[str]()

    async def append(self, body: Body, condition: Callable[[Settings], None] | None = None) -> Record:
        """`condition` raises if the settings, as they are just before the record, do not allow it."""
        self._condition = condition or _always
        record = await self._append(body)
        await self._keep_revoked()
        return record

    async def promote(self, body: Promotion) -> None:
        """Make the copy that this is the vault, unless it is already. `Conflict` if its vault was given up for another."""
        self._promoting = True
        try:
            await self.settle()  # one that was killed may have said it
            if all(promoted.id != body.id for promoted in self.state.promotions):
                await self.append(body)
        finally:
            self._promoting = False

    async def give_up(self, body: Superseded) -> None:
        """Nothing is appended from here on, unless that was said before. `Conflict` if it was said for another copy."""
        await self.refresh()
        if self.state.given_up is None:
            with suppress(Conflict):
                await self.settle()  # one that was killed may have said it, and then nothing more is taken
        if self.state.given_up is None or self.state.given_up.promotion != body.promotion:
            await self.append(body)

    async def must_be_the_vault(self) -> None:
        if not self.head.seq:
            await self.refresh()
        if not self._promoting:
            must_take_records(self.state, self._place.copy)

    async def _must_be_the_vault(self) -> None:
        await self.must_be_the_vault()

    async def _prepare(self) -> None:
        """Nothing else is needed to read this log."""

    async def _read_on(self) -> None:
        await super()._read_on()
        await self._keep_revoked()

    async def _keep_revoked(self) -> None:
        revoked, memory = self.state.revoked(), self._place.memory
        if memory is not None and not self._place.salvage and revoked != self._revoked:
            await finish_in_thread(partial(lineage.remember_revoked, memory, revoked))
            self._revoked = revoked

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
        must_take_records(self.state, "" if self._promoting else self._place.copy)
        self._condition(self.state)

    def _epoch(self) -> int:
        return 0


def _always(_: Settings) -> None:
    """No condition."""
