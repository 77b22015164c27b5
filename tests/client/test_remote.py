"""The facade over the API is the facade: the same requests reach the engine behind it, the same values and errors come back."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.api.fake_service import FakeService, event
from understudy.api import Settings, make_app
from understudy.client import RemoteEngine, RemoteService, open_service, waiting
from understudy.engine import (
    AddHold,
    AddKey,
    BlockSource,
    Collect,
    CreateGroup,
    Engine,
    Event,
    Failure,
    Job,
    KeyFile,
    Progress,
    Protect,
    Prune,
    RemoveHold,
    Restore,
    RestoreGroup,
    RotateKey,
    SeedExport,
    SeedImport,
    SetDefinition,
    Verify,
)
from understudy.engine.profiling import Profile
from understudy.errors import Conflict, DaemonUnavailable, InvalidRequest, NotFound, StoreUnavailable, TargetFailed, UnderstudyError

POINT = "aa11".ljust(32, "0")


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def runner(service: FakeService, tmp_path: Path) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(make_app(service, Settings()), shutdown_timeout=5)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "api.sock")).start()
    yield runner
    await runner.cleanup()


@pytest.fixture
async def remote(runner: web.AppRunner, tmp_path: Path) -> AsyncIterator[RemoteService]:
    async with open_service(str(tmp_path / "api.sock")) as remote:
        yield remote


def ignored(progress: Progress) -> None:
    """Nobody watches."""


def test_nothing_of_the_facade_is_missing() -> None:
    wanted = {name for name, _ in inspect.getmembers(Engine, inspect.isfunction) if not name.startswith("_")}
    assert wanted <= {name for name, _ in inspect.getmembers(RemoteEngine, inspect.isfunction)}


async def test_the_same_request_gives_the_same_answer(remote: RemoteService, service: FakeService) -> None:
    engine, behind = remote.engine, service.engine
    targets = {"vda": "/r/vda.raw"}
    source = BlockSource(disks={"vda": "/srv/a"})
    for name, request in (
        ("points", "web"),
        ("usage", "web"),
        ("definition", "web"),
        ("set_definition", SetDefinition(machine="web", text='name = "web"')),
        ("set_definition", SetDefinition(machine="web", text=None)),
        ("retention", "web"),
        ("holds", "web"),
        ("vault", None),
        ("keys", None),
        ("groups", None),
        ("instants", None),
        ("add_hold", AddHold(machine="web", point=POINT, reason="audit")),
        ("remove_hold", RemoveHold(machine="web", hold="7c7c")),
        ("protect", Protect(name="web", source=source)),
        ("create_group", CreateGroup(name="shop", machines=("web", "db"))),
        ("remove_group", "shop"),
        ("prune", Prune(machine="web", dry_run=True)),
        ("collect", Collect(machine="web", grace_seconds=5)),
        ("rotate_key", RotateKey(slot="ops", credential=KeyFile(path="/k"))),
        ("remove_key", "ops"),
        ("add_key", AddKey(role="source", label="x", credential=KeyFile(path="/k"))),
    ):
        given = () if request is None else (request,)
        behind.asked.clear()
        answer = await getattr(engine, name)(*given)
        asked = list(behind.asked)
        keys = list(behind.keys_now)
        assert answer == await getattr(behind, name)(*given), name
        assert asked == behind.asked[len(asked) :], name
        behind.keys_now[:] = keys[:1]
    for name, request in (
        ("restore", Restore(machine="web", point=POINT, format="raw", targets=targets, overwrite=True)),
        ("verify", Verify(machine="web", points=(POINT,), level="frames")),
        ("export_seed", SeedExport(machine="web", point=POINT, directory="/d")),
        ("import_seed", SeedImport(directory="/d")),
        ("profile", Profile(machine="web", seconds=60.0, every=1.0)),
        ("restore_group", RestoreGroup(instant="e111".ljust(32, "0"), format="raw", targets={"1d" * 16: targets})),
    ):
        behind.asked.clear()
        answer = await getattr(engine, name)(request, ignored)
        asked = list(behind.asked)
        assert answer == await getattr(behind, name)(request, ignored), name
        assert asked == behind.asked[len(asked) :], name
    assert await engine.scrub(ignored) == await behind.scrub(ignored)
    async with engine.replicate("web") as replication:
        assert (await replication.cycle(ignored, True)).number == 8
    async with engine.replicate_group("shop") as group:
        assert (await group.cycle(ignored)).group == "shop"
    with pytest.raises(Conflict, match="vault already"):
        await engine.create_vault(None)  # type: ignore[arg-type]


async def test_lists_longer_than_a_page_come_whole(remote: RemoteService, service: FakeService) -> None:
    from tests.cli.fake_engine import point

    service.engine.points_now = [point(number, f"{number:032x}", number) for number in range(1, 2501)]
    assert [found.number for found in (await remote.engine.points("web")).points] == list(range(1, 2501))


async def test_errors_are_what_they_were(remote: RemoteService, service: FakeService) -> None:
    for error in (StoreUnavailable("away", hint="wait"), InvalidRequest("no"), TargetFailed("full")):
        service.failures.append(error)
        with pytest.raises(type(error), match=error.message) as raised:
            await remote.health()
        assert (raised.value.hint, raised.value.exit_code) == (error.hint, error.exit_code)
    with pytest.raises(NotFound, match="nobody"):
        await remote.status("nobody")
    service.failures.append(RuntimeError("secret"))
    with pytest.raises(UnderstudyError, match="a fault in understudy"):
        await remote.health()


async def test_a_daemon_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        async with open_service(str(path)) as remote:
            with pytest.raises(DaemonUnavailable, match="no daemon listens"):
                await remote.health()


async def test_a_job_is_waited_for_over_a_daemon_s_restart(
    runner: web.AppRunner, remote: RemoteService, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.05)
    service.ends_at_once = False
    seen: asyncio.Queue[Progress] = asyncio.Queue()
    request = SeedImport(directory="/d")
    wait = asyncio.create_task(remote.engine.import_seed(request, seen.put_nowait))
    assert await seen.get() == Progress(phase="copy", done=1, total=4)
    await runner.cleanup()
    again = web.AppRunner(make_app(service, Settings()), shutdown_timeout=5)
    await again.setup()
    await asyncio.sleep(0.1)
    await web.UnixSite(again, str(tmp_path / "api.sock")).start()
    service.end(service.jobs_now[0].id, error=Failure(code="target_failed", message="the disk is full", hint="free some"))
    with pytest.raises(TargetFailed, match="the disk is full"):
        await wait
    await again.cleanup()


async def test_a_cancelled_job_is_a_conflict_and_whoever_waits_knows_for_what(
    runner: web.AppRunner, service: FakeService, tmp_path: Path
) -> None:
    service.ends_at_once = False
    waited: asyncio.Queue[Job | None] = asyncio.Queue()
    async with open_service(str(tmp_path / "api.sock"), waited.put_nowait) as remote:
        wait = asyncio.create_task(remote.engine.scrub(ignored))
        job = await waited.get()
        assert job is not None
        await remote.cancel(job.id)
        with pytest.raises(Conflict, match="was cancelled"):
            await wait
        assert await waited.get() is None


async def test_events_are_followed(remote: RemoteService, service: FakeService) -> None:
    service.events_now[:] = [event(1), event(2)]
    follow = remote.follow(1)
    assert isinstance(first := await anext(follow), Event)
    assert first.id == 2
    service.ends_at_once = False
    begun = asyncio.create_task(remote.engine.scrub(ignored))
    assert isinstance(await anext(follow), Job)
    begun.cancel()
    await follow.aclose()


async def test_what_was_lost_on_the_way_is_said_again_with_the_same_key(tmp_path: Path) -> None:
    keys: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) in (1, 3, 4):
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"name": "shop", "members": []})

    app = web.Application()
    app.router.add_post("/v1/groups", answer)
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    async with open_service(str(tmp_path / "s")) as remote:
        assert (await remote.engine.create_group(CreateGroup(name="shop", machines=("web",)))).name == "shop"
        with pytest.raises(DaemonUnavailable):
            await remote.engine.create_group(CreateGroup(name="shop", machines=("web",)))
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [2, 2]
    await runner.cleanup()
