"""Whatever is asked in a wrong way is refused in one form, by the name of what is wrong."""

import asyncio
import io
from typing import Any

import aiohttp
import pytest

from tests.api.fake_service import FakeService
from understudy.api import reading
from understudy.errors import IntegrityError, StoreUnavailable

_JSON = {"Content-Type": "application/json"}


async def refusal(http: aiohttp.ClientSession, method: str, path: str, status: int, **extra: Any) -> dict[str, Any]:
    async with http.request(method, path, **extra) as response:
        assert response.status == status, await response.text()
        assert response.content_type == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
        body = await response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message", "hint", "retryable"}
    error: dict[str, Any] = body["error"]
    return error


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/machines/", 404, "not_found"),
        ("GET", "/v1/machines/nobody", 404, "not_found"),
        ("GET", "/v1/machines/..%2f..%2fetc", 404, "not_found"),
        ("GET", "/v1/jobs/%00", 404, "not_found"),
        ("PATCH", "/v1/machines/web", 405, "method_not_allowed"),
        ("GET", "/v1/scrub", 405, "method_not_allowed"),
        ("GET", "/v1/machines?limit=0", 422, "invalid_request"),
        ("GET", "/v1/machines?limit=1&limit=2", 422, "invalid_request"),
        ("GET", "/v1/machines?limt=5", 422, "invalid_request"),
        ("GET", "/v1/events?after=-1", 422, "invalid_request"),
        ("GET", "/v1/events?after=99999999999999999999", 422, "invalid_request"),
        ("GET", "/v1/events?after=null", 422, "invalid_request"),
        ("GET", "/v1/events?after=+1", 422, "invalid_request"),
        ("GET", "/v1/events?kind=A%20B", 422, "invalid_request"),
        ("GET", "/v1/events?" + "&".join(["kind=request"] * 21), 422, "invalid_request"),
        ("DELETE", "/v1/machines/web?forget=1", 422, "invalid_request"),
        ("GET", "/v1/jobs?state=sleeping", 422, "invalid_request"),
        ("GET", "/v1/health?now=1", 422, "invalid_request"),
    ],
)
async def test_what_is_not_there_is_refused(http: aiohttp.ClientSession, method: str, path: str, status: int, code: str) -> None:
    assert (await refusal(http, method, path, status))["code"] == code


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "the body"),
        (b"[]", "object"),
        (b'{"interval": "often"}', "interval in the body"),
        (b'{"interval": 0.5}', "interval in the body"),
        (b'{"interval": 1e400}', "the body"),
        (b'{"interval": 5, "intervall": 5}', "intervall"),
        (b'{"windows": [{"begin": "8", "end": "09:00", "rate": 1}]}', "windows[0].begin in the body"),
        (b'{"windows": [{"begin": "08:00", "end": "09:00", "rate": 1, "day": "mon"}]}', "day"),
        (b'{"rate": 99999999999999999999999}', "rate"),
        (b'{"rate": 1.5}', "rate in the body: Expected `int`, got `float`"),
        (b'{"rate": 1e300}', "rate in the body: Expected `int`, got `float`"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_by_its_field(
    http: aiohttp.ClientSession, service: FakeService, body: bytes, named: str
) -> None:
    error = await refusal(http, "PUT", "/v1/machines/web/policy", 422, data=body, headers=_JSON)
    assert named in error["message"]
    assert service.audited == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"kind": "block", "disks": {}}, "source.disks in the body: Expected `object` of length >= 1"),
        ({"kind": "block", "disks": {"vda": "relative"}}, "source.disks[...] in the body: an absolute path on the daemon's host is wanted"),
        ({"kind": "block", "disks": {"": "/a"}}, "a name in source.disks in the body: a name has 1 to 63 letters"),
        (
            {"kind": "qemu", "qmp": "/q", "agent": "a"},
            "source.agent in the body: an absolute path on the daemon's host is wanted, or",
        ),
        ({"kind": "qemu", "qmp": "/q", "hook": "/h"}, "source in the body: Object contains unknown field `hook`"),
    ],
)
async def test_what_is_wanted_is_said_in_words(
    http: aiohttp.ClientSession, service: FakeService, source: dict[str, Any], message: str
) -> None:
    error = await refusal(http, "POST", "/v1/machines", 422, json={"name": "web", "source": source})
    assert error["message"].startswith(message)
    assert service.audited == service.engine.asked == []


async def test_what_takes_no_body_is_given_none(http: aiohttp.ClientSession) -> None:
    for body in (b'{"force": true}', b"null", b"force"):
        error = await refusal(http, "POST", "/v1/jobs/none/cancel", 422, data=body, headers=_JSON)
        assert "takes no body" in error["message"]
    for body in (b"", b"{}"):
        await refusal(http, "POST", "/v1/jobs/none/cancel", 404, data=body, headers=_JSON)


async def test_other_forms_lengths_and_paces_are_refused(http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/v1/machines/web/policy"
    error = await refusal(http, "PUT", path, 415, data=b"{}", headers={"Content-Type": "text/plain"})
    assert error["code"] == "unsupported_media_type"
    error = await refusal(http, "PUT", path, 413, data=io.BytesIO(b"{" + b" " * (1 << 20)), headers=_JSON)
    assert error["code"] == "too_large"
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.05)

    async def never() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    error = await refusal(http, "PUT", path, 408, data=never(), headers=_JSON)
    assert error["retryable"]


async def test_what_the_service_raises_keeps_its_code_and_faults_keep_their_words_to_the_log(
    http: aiohttp.ClientSession, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.failures.append(StoreUnavailable("the store is away", hint="wait"))
    assert await refusal(http, "GET", "/v1/health", 503) == {
        "code": "store_unavailable",
        "message": "the store is away",
        "hint": "wait",
        "retryable": True,
    }
    service.failures.append(IntegrityError("a pack is not what was written"))
    assert (await refusal(http, "GET", "/v1/vault", 500))["code"] == "integrity"
    service.failures.append(ValueError("the secret is 1234"))
    error = await refusal(http, "GET", "/v1/health", 500)
    assert (error["code"], "1234" in str(error)) == ("internal", False)
    assert "1234" in caplog.text


async def test_what_takes_too_long_is_given_up(http: aiohttp.ClientSession, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    from understudy.api import server

    plain = asyncio.timeout
    monkeypatch.setattr(server.asyncio, "timeout", lambda seconds: plain(0.05 if seconds == 30 else seconds))
    service.delay = 60
    error = await refusal(http, "GET", "/v1/health", 503)
    assert (error["code"], error["retryable"]) == ("overdue", True)


async def test_a_key_is_good_for_one_request(http: aiohttp.ClientSession, service: FakeService) -> None:
    body = {"name": "shop", "machines": ["web", "db"]}
    headers = {"Idempotency-Key": "k1"}
    answers = []
    for _ in range(2):
        async with http.post("/v1/groups", json=body, headers=headers) as response:
            answers.append((response.status, await response.text()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 201
    assert len(service.engine.asked) == 1
    await refusal(http, "POST", "/v1/groups", 409, json={**body, "name": "other"}, headers=headers)
    await refusal(http, "POST", "/v1/groups", 422, json=body, headers={"Idempotency-Key": "k" * 201})

    # What failed may be tried again; two at once are one.
    service.engine.failures.append(StoreUnavailable("away"))
    hold = {"point": "a" * 32, "reason": "audit"}
    await refusal(http, "POST", "/v1/machines/web/holds", 503, json=hold, headers={"Idempotency-Key": "k2"})
    service.engine.asked.clear()
    service.delay = 0.05

    async def held() -> int:
        async with http.post("/v1/machines/web/holds", json=hold, headers={"Idempotency-Key": "k2"}) as response:
            return response.status

    assert await asyncio.gather(held(), held(), held()) == [201] * 3
    assert len(service.engine.asked) == 1
