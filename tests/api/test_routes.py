"""What is asked reaches the service, and what it answers goes out."""

import json
from typing import Any

import aiohttp
import pytest

from tests.api.fake_service import FakeService, event
from understudy.api.table import TABLE
from understudy.engine import Policy, ReplicationPolicy, SetRetention, StartJob, Unprotect


async def got(http: aiohttp.ClientSession, path: str, status: int = 200, **extra: Any) -> Any:
    async with http.get(path, **extra) as response:
        assert response.status == status, await response.text()
        assert response.content_type == "application/json"
        return await response.json()


async def test_machines_are_listed_by_name_in_pages(http: aiohttp.ClientSession) -> None:
    first = await got(http, "/v1/machines?limit=1")
    assert [machine["name"] for machine in first["items"]] == ["db"]
    rest = await got(http, f"/v1/machines?limit=1&next={first['next']}")
    assert [machine["name"] for machine in rest["items"]] == ["web"]
    assert rest["next"] is None
    assert (await got(http, "/v1/machines/web"))["rpo_seconds"] == 3.25


async def test_every_read_route_answers(http: aiohttp.ClientSession, service: FakeService) -> None:
    service.ends_at_once = False
    async with http.post("/v1/machines/web/replicate") as response:
        job = await response.json()
    parts = {
        "machine": "web",
        "job": job["id"],
        "group": "shop",
        "hold": "7c7c",
        "drill": "d" * 32,
        "key": "ops",
        "instant": "e" * 32,
        "orphan": "first",
        "plan": "dr",
        "run": service.engine.plans_now.run.id,
    }
    for route in TABLE:
        if route.method == "GET" and route.media != "text/event-stream":
            async with http.get(route.path.format_map(parts)) as response:
                assert response.status == 200, (route.path, await response.text())
                assert response.content_type == route.media


async def test_points_are_paged_from_the_newest_back(http: aiohttp.ClientSession) -> None:
    newest = await got(http, "/v1/machines/web/points?limit=2")
    assert [point["number"] for point in newest["points"]] == [4, 7]
    older = await got(http, f"/v1/machines/web/points?limit=2&next={newest['next']}")
    assert [point["number"] for point in older["points"]] == [3]
    assert older["next"] is None


async def test_a_policy_is_set(http: aiohttp.ClientSession, service: FakeService) -> None:
    body = {"interval": 5, "windows": [{"begin": "08:00", "end": "18:00", "rate": 5.0, "days": ["mon"]}]}
    async with http.put("/v1/machines/web/policy", json=body) as response:
        answer = await response.json()
    assert answer["windows"][0]["days"] == ["mon"]
    assert type(service.machines[0].policy) is ReplicationPolicy
    assert service.machines[0].policy.interval == 5.0
    assert service.audited == [("root", "setPolicy", service.audited[0][2])]
    assert service.audited[0][2]["machine"] == "web"


async def test_retention_is_set_and_a_machine_left(http: aiohttp.ClientSession, service: FakeService) -> None:
    async with http.put("/v1/machines/web/retention", json={"daily": 7}) as response:
        assert response.status == 200
    async with http.delete("/v1/machines/web?forget=true") as response:
        assert response.status == 200
    assert service.engine.asked == [SetRetention(machine="web", policy=Policy(daily=7)), Unprotect(name="web", forget=True)]


async def test_a_job_begins_and_is_cancelled_once(http: aiohttp.ClientSession, service: FakeService) -> None:
    service.ends_at_once = False
    body = {"points": ["a" * 32]}
    async with http.post("/v1/machines/web/verify", json=body, headers={"Idempotency-Key": "k1"}) as response:
        assert response.status == 202
        job = await response.json()
    parameters = {"points": ["a" * 32], "level": "digest"}
    assert service.started == [StartJob(kind="verify", machine="web", parameters=parameters, actor="root", key="k1")]
    assert [found["id"] for found in (await got(http, "/v1/jobs?state=running&state=pending"))["items"]] == [job["id"]]
    async with http.post(f"/v1/jobs/{job['id']}/cancel") as response:
        assert (await response.json())["state"] == "cancelled"
    async with http.post(f"/v1/jobs/{job['id']}/cancel") as response:
        assert response.status == 409
        assert (await response.json())["error"]["code"] == "conflict"


async def test_jobs_of_groups_name_what_stands_in_the_path(http: aiohttp.ClientSession, service: FakeService) -> None:
    service.ends_at_once = False
    body = {"format": "raw", "targets": {"1d" * 16: {"vda": "/r/vda.raw"}}}
    for path, sent in (("/v1/groups/shop/replicate", {}), (f"/v1/instants/{'e1' * 16}/restore", body), ("/v1/scrub", None)):
        async with http.post(path, json=sent) as response:
            assert response.status == 202, await response.text()
    assert [(job.kind, job.machine, job.parameters) for job in service.started] == [
        ("replicate", None, {"app_consistent": False, "group": "shop"}),
        ("restore", None, {"overwrite": False, **body, "instant": "e1" * 16}),
        ("verify", None, {}),
    ]


async def test_events_are_read_from_where_one_was(http: aiohttp.ClientSession, service: FakeService) -> None:
    service.events_now[:] = [event(number) for number in range(1, 6)]
    assert [one["id"] for one in (await got(http, "/v1/events?limit=2"))["items"]] == [4, 5]
    page = await got(http, "/v1/events?after=1&limit=2")
    assert ([one["id"] for one in page["items"]], page["next"]) == ([2, 3], "3")


async def test_a_passphrase_is_in_no_answer_and_no_audit(http: aiohttp.ClientSession, service: FakeService) -> None:
    body = {"role": "source", "label": "host-a", "credential": {"kind": "passphrase", "text": "correct horse"}}
    async with http.post("/v1/keys", json=body) as response:
        assert response.status == 201
        assert "horse" not in await response.text()
    async with http.post("/v1/keys/ops/rotate", json={"credential": body["credential"]}) as response:
        assert response.status == 200
    assert "horse" not in json.dumps(service.audited)
    assert service.audited[0] == (
        "root",
        "addKey",
        {"role": "source", "label": "host-a", "credential": {"kind": "passphrase"}},
    )


@pytest.mark.parametrize("path", ["relative", ""])
async def test_a_key_file_is_named_from_the_root_on(http: aiohttp.ClientSession, service: FakeService, path: str) -> None:
    body = {"role": "source", "label": "host-a", "credential": {"kind": "key-file", "path": path}}
    async with http.post("/v1/keys", json=body) as response:
        assert response.status == 422
    assert service.engine.asked == []
