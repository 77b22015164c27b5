"""A command and a daemon of different versions, both of API v1.

answers_v1.json has the least that a daemon of the first version says: of each answer and each job's result those fields that had no default
then. A newer command understands it, so what is added to an answer has a default; a new kind of answer is added to the file.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from understudy import __version__, engine
from understudy.api.table import TABLE
from understudy.client import RemoteService, open_service
from understudy.errors import DaemonUnavailable

LEAST = json.loads(Path(__file__).with_name("answers_v1.json").read_text())
RESULTS = (
    *(engine.Cycle, engine.GroupCycle, engine.Restored, engine.GroupRestored),
    *(engine.Verified, engine.Pruned, engine.Collected, engine.Seeded),
)


def _named(kind: Any) -> str:
    """Also of generic ones."""
    return msgspec.json.schema(kind)["$ref"].rpartition("/")[2]


KINDS = {_named(kind): kind for kind in (*(route.answer for route in TABLE if route.answer is not None), engine.Event, *RESULTS)}


def least(kind: Any) -> Any:
    """The shortest JSON that is a `kind`."""
    schema = msgspec.json.schema(kind)
    return _least(schema, schema["$defs"])


def _least(schema: dict[str, Any], known: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _least(known[schema["$ref"].rpartition("/")[2]], known)
    if "anyOf" in schema:
        return _least(schema["anyOf"][0], known)
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object":
            return {name: _least(schema["properties"][name], known) for name in schema.get("required", ())}
        case "array":
            return [_least(schema["items"], known)]
    return {"string": "x", "integer": 1, "number": 1.5, "boolean": True, "null": None}[schema["type"]]


@pytest.mark.parametrize("name", KINDS)
def test_a_newer_command_understands_an_older_daemon(name: str) -> None:
    assert name in LEAST, f"new since: add {json.dumps({name: least(KINDS[name])})}"
    msgspec.convert(LEAST[name], KINDS[name])


@pytest.mark.parametrize("name", KINDS)
def test_an_older_command_passes_over_what_it_does_not_know(name: str) -> None:
    msgspec.convert(_more(LEAST[name]), KINDS[name])


def _more(part: Any) -> Any:
    """What a newer daemon says. Free mappings have no fields."""
    if isinstance(part, list):
        return [_more(item) for item in part]
    if isinstance(part, dict) and part:
        return {**{name: _more(value) for name, value in part.items()}, "a_field_of_a_later_version": {"and": ["more"]}}
    return part


class Daemon:
    """One of another version, which answers with what is in `says`."""

    def __init__(self) -> None:
        self.version = "0.0.9"
        self.says: dict[str, Any] = {}

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/v1/version":
            return web.json_response({"version": self.version, "api": "v1"})
        return web.json_response(self.says[request.path])


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
async def remote(daemon: Daemon, tmp_path: Path) -> AsyncIterator[RemoteService]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", daemon.answer)
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "api.sock")).start()
    async with open_service(str(tmp_path / "api.sock")) as remote:
        yield remote
    await runner.cleanup()


async def test_the_screen_of_an_older_daemon(remote: RemoteService, daemon: Daemon) -> None:
    daemon.says = {
        "/v1/health": LEAST["ServiceHealth"],
        "/v1/machines": LEAST["Page_MachineStatus_"],
        "/v1/jobs": LEAST["Page_Job_"],
        "/v1/machines/x/points": LEAST["PointsPage"],
        "/v1/keys": LEAST["Page_Key_"],
    }
    assert (await remote.health()).version == "x"
    (machine,) = await remote.statuses()
    assert (machine.name, machine.rpo_seconds, machine.points) == ("x", None, 0), "what it does not say is not known"
    assert [job.state for job in await remote.jobs(engine.JobQuery())] == [LEAST["Job"]["state"]]
    assert (await remote.engine.points("x")).dropped == ()
    assert [key.damage for key in await remote.engine.keys()] == [""]


async def test_who_does_not_understand_says_the_versions(remote: RemoteService, daemon: Daemon) -> None:
    for path, ask in (("/v1/health", remote.health), ("/v1/keys", remote.engine.keys)):
        for says in ({}, {"items": [{}]}, "text"):
            daemon.says = {path: says}
            with pytest.raises(DaemonUnavailable, match="makes no sense") as caught:
                await ask()
            assert caught.value.hint.startswith(f"the daemon is of version 0.0.9, this command of {__version__}: restart the daemon")
    daemon.version, daemon.says = __version__, {"/v1/health": {}}
    with pytest.raises(DaemonUnavailable) as caught:
        await remote.health()
    assert "a fault" in caught.value.hint
