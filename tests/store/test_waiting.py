"""Who waits long for a store hears what for, once, and when that is over."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from understudy.cli.output import Output
from understudy.cli.waiting import waiting_told
from understudy.errors import StoreUnavailable
from understudy.store import waiting
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectInfo
from understudy.store.retrying import RetryingStore


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.something = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        self.something.set()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Any time is long here."""
    monkeypatch.setattr(waiting, "LONG", 0.0)
    handler, level = Heard(), waiting.LOG.level
    waiting.LOG.addHandler(handler)
    waiting.LOG.setLevel(logging.INFO)
    yield handler
    waiting.LOG.removeHandler(handler)
    waiting.LOG.setLevel(level)


@pytest.fixture
async def faulty(tmp_path: Path) -> FaultyStore:
    store = FaultyStore(FileStore(tmp_path / "store", make=True))
    await store.create("log/1", [b"1"])
    return store


async def test_a_store_that_fails_again_and_again(faulty: FaultyStore, heard: Heard) -> None:
    async def sleep(_: float) -> None:
        await heard.something.wait()

    store = RetryingStore(faulty, name="the shelf", sleep=sleep)
    faulty.plan(Fault(Action.FAIL_BEFORE, times=3))
    assert await store.head("log/1") is not None
    assert [line.partition(": ")[0] for line in heard.said] == ["waiting for the shelf", "the shelf answers again"]
    assert len(heard.said[0]) > len("waiting for the shelf: ")
    await store.close()


async def test_a_store_that_does_not_answer_at_all(faulty: FaultyStore, heard: Heard) -> None:
    class Hanging(FaultyStore):
        async def head(self, name: str) -> ObjectInfo | None:
            await heard.something.wait()
            return await super().head(name)

    store = RetryingStore(Hanging(faulty), name="the shelf")
    assert await store.head("log/1") is not None
    assert heard.said == ["waiting for the shelf: no answer yet", "the shelf answers again"]
    await store.close()


async def test_a_store_that_is_full_does_not_answer_again_because_it_can_be_read(faulty: FaultyStore, heard: Heard) -> None:
    store = RetryingStore(faulty, name="the shelf")
    for _ in range(2):
        faulty.plan(Fault(Action.FAIL_BEFORE, op="create"))
        with pytest.raises(StoreUnavailable):
            await store.create("log/2", [b"2"])
        await heard.something.wait()
        assert await store.head("log/1") is not None
    assert [line.partition(": ")[0] for line in heard.said] == ["waiting for the shelf"]
    await store.create("log/2", [b"2"])
    assert heard.said[1:] == ["the shelf answers again"]
    await store.close()


async def test_a_creation_that_its_caller_says_again(faulty: FaultyStore, heard: Heard) -> None:
    store = RetryingStore(faulty, name="the shelf")
    faulty.plan(Fault(Action.FAIL_BEFORE, op="create"))
    with pytest.raises(StoreUnavailable):
        await store.create("log/2", [b"2"])
    await heard.something.wait()
    await store.create("log/2", [b"2"])
    assert faulty.calls[-1] == Call("create", "log/2")
    assert [line.partition(": ")[0] for line in heard.said] == ["waiting for the shelf", "the shelf answers again"]
    await store.close()


async def test_of_a_store_that_answers_nothing_is_said(faulty: FaultyStore, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LONG", 3600.0)
    store = RetryingStore(faulty, name="the shelf")
    await store.create("log/2", [b"2"])
    assert [info.name async for info in store.list("log/")] == ["log/1", "log/2"]
    await store.get("log/1", 0, 1)
    await store.close()
    assert heard.said == []


def test_a_command_says_it_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting_told(Output(as_json=True)):
        waiting.LOG.info("waiting for %s: no answer yet", "the shelf [1]")
    waiting.LOG.info("nobody listens any more")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "waiting for the shelf [1]: no answer yet\n")
