"""What a failover may do with a standby, and for how long: whatever hangs keeps the standby to itself, and nobody waits for it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.local.test_lending import behind, entry_of, touch
from tests.local.test_standby import There, silent
from tests.local.test_standby import there as there
from understudy.daemon import lending as daemon
from understudy.daemon.lending import Lending
from understudy.errors import Busy, StateFailed, StoreUnavailable
from understudy.local.standby import keeping, lending
from understudy.local.standby.following import own_standby
from understudy.vault.maps.points import PointEntry


class Site:
    """The daemon around a lender. `begun`: how often its follower was told to leave off; `below`: what needs the images."""

    def __init__(self, there: There) -> None:
        self.there, self.begun, self.below, self.told = there, 0, {""}, list[str]()
        engine = SimpleNamespace(site=there.site, standing=SimpleNamespace(aside=self.aside))
        journal = SimpleNamespace(
            tell=lambda kind, severity, message, **_: self.told.append(message),
            fault=lambda message, error, **_: self.told.append(f"fault: {message}"),
        )
        self.lending = Lending(cast(Any, engine), cast(Any, SimpleNamespace(needs_below=self.needs_below)), cast(Any, journal))

    @asynccontextmanager
    async def aside(self, _: str) -> AsyncIterator[None]:
        self.begun += 1
        yield

    async def needs_below(self, run: str) -> bool:
        if run == "damaged":
            raise StateFailed("its record cannot be read")
        return run in self.below

    @property
    def about(self) -> Any:
        return self.there.vault, self.there.log

    async def whole(self) -> PointEntry:
        """The standby holds its newest point."""
        await self.there.create()
        await self.there.follow()
        return entry_of(self.there, self.there.world.points[0])


@pytest.fixture
def site(there: There) -> Site:
    return Site(there)


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Whoever writes down what a standby is for waits for this."""
    goes_on, write = threading.Event(), keeping.write_standby

    def slow(*arguments: Any) -> None:
        goes_on.wait(60)
        write(*arguments)

    monkeypatch.setattr(keeping, "write_standby", slow)
    monkeypatch.setattr(daemon, "GRACE", 0.1)
    yield goes_on
    goes_on.set()


async def test_what_hangs_keeps_the_standby_to_itself_and_holds_up_nobody(there: There, site: Site, stalled: threading.Event) -> None:
    stalled.set()
    entry = await site.whole()
    stalled.clear()
    assert (await site.lending.lend(*site.about, entry, "run-1")).words.endswith("cannot be used now: it does not answer")
    with pytest.raises(Busy), own_standby(*site.about, there.site):
        pass
    with pytest.raises(Busy):
        await site.lending.forget(*site.about, "run-1", {name: str(image.path) for name, image in there.standby.images.items()})
    stalled.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*site.lending._under_way, return_exceptions=True)
    # It was to be lent, and was given up only after it had been: its follower is told so.
    assert there.standby.detached == "run run-1"
    await site.lending.take_back(*site.about, "run-1")
    assert there.standby.detached == ""


async def test_a_vault_that_hangs_does_not_hold_up_a_commit(there: There, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.whole()
    monkeypatch.setattr(daemon, "GRACE", 0.1)
    monkeypatch.setattr(daemon, "LIMIT", 0.1)
    hangs = asyncio.Event()

    async def hung(*_: Any, **__: Any) -> None:
        await hangs.wait()

    monkeypatch.setattr(keeping, "_release", hung)
    images = {name: str(image.path) for name, image in there.standby.images.items()}
    with pytest.raises(StoreUnavailable, match="was not given up in time"):
        await site.lending.forget(*site.about, "run-1", images)
    assert there.standby.images
    monkeypatch.undo()
    await site.lending.forget(*site.about, "run-1", images)
    await site.lending.forget(*site.about, "run-1", images)
    assert all((there.images / f"{name}.raw").exists() for name in images)


async def test_is_not_given_back_while_a_machine_lies_on_it(there: There, site: Site) -> None:
    entry = await site.whole()
    assert (await site.lending.lend(*site.about, entry, "run-1")).images
    for needs, detached in ((True, "run run-1"), (False, "")):
        site.below = {"run-1"} if needs else set()
        await site.lending.take_back(*site.about, "run-1")
        assert there.standby.detached == detached
    # A fault of our own keeps no machine from its start, and is heard of.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lending, "detach", None)
        assert (await site.lending.lend(*site.about, entry, "run-2")).images == {}
    assert "TypeError" in site.told.pop()
    # Of a run that cannot be read nobody knows what it needs.
    assert (await site.lending.lend(*site.about, entry, "damaged")).images
    await site.lending.take_back(*site.about, "damaged")
    assert (there.standby.detached, len(site.told)) == ("run damaged", 1)


async def test_who_reads_it_as_a_whole_is_not_disturbed_for_nothing(there: There, site: Site) -> None:
    entry = await behind(there)
    await touch(there)
    why = await site.lending.brought(*site.about, entry, "run-1", silent)
    assert "not known what its standby image" in why
    assert (await site.lending.lend(*site.about, entry, "run-1")).words == why
    assert (site.begun, site.told) == (0, [])
