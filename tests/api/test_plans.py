"""Recovery plans over HTTP: who asked, for what, and what is refused."""

from typing import Any

import aiohttp
import pytest

from tests.api.fake_plans import TEXT
from tests.api.fake_service import FakeService
from understudy.engine import AnswerStep, StartJob


async def sent(http: aiohttp.ClientSession, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    async with http.request(method, path, json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_a_plan_is_set_shown_and_removed(http: aiohttp.ClientSession, service: FakeService) -> None:
    shown = await sent(http, "PUT", "/v1/plans/other", {"text": TEXT})
    assert shown["plan"]["groups"][0]["pre"] == [{"kind": "manual", "text": "turn the key"}]
    assert [plan["name"] for plan in (await sent(http, "GET", "/v1/plans"))["items"]] == ["dr", "other"]
    assert (await sent(http, "GET", "/v1/plans/other"))["text"] == TEXT
    refused = await sent(http, "PUT", "/v1/plans/other", {"text": "[[group]]\nname = 3"}, status=422)
    assert refused["error"]["message"] == "group[1].name: Expected str, got int"
    assert (await sent(http, "DELETE", "/v1/plans/other"))["name"] == "other"
    await sent(http, "GET", "/v1/plans/other", status=404)
    assert [(actor, action) for actor, action, _ in service.audited] == [("root", "setPlan"), ("root", "setPlan"), ("root", "removePlan")]


async def test_a_run_is_a_job(http: aiohttp.ClientSession, service: FakeService) -> None:
    service.ends_at_once = False
    body = {"kind": "unplanned", "point": "latest-app", "revision": 4, "reason": "fire"}
    async with http.post("/v1/plans/dr/run", json=body, headers={"Idempotency-Key": "k1"}) as response:
        assert response.status == 202
    assert service.started == [
        StartJob(kind="plan", machine=None, parameters=body | {"cleanup": False, "plan": "dr"}, actor="root", key="k1")
    ]
    checked = await sent(http, "POST", "/v1/plans/dr/check", {"kind": "unplanned"})
    assert [step["problems"] for step in checked["steps"]] == [[], [], ["there is no program"]]


@pytest.mark.parametrize("reply", ["confirm", "retry", "skip", "abort"])
async def test_what_a_person_says(http: aiohttp.ClientSession, service: FakeService, reply: Any) -> None:
    run = service.engine.plans_now.run.id
    await sent(http, "POST", f"/v1/plan-runs/{run}/{reply}", {"step": "1.pre.1", "note": "by phone"})
    assert service.engine.plans_now.said == [(AnswerStep(reply=reply, step="1.pre.1", note="by phone"), "root")]
    assert service.audited[0][:2] == ("root", f"{reply}PlanStep" if reply != "abort" else "abortPlanRun")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/plans/dr/run", {}),
        ("/v1/plans/dr/run", {"kind": "tset"}),
        ("/v1/plans/dr/run", {"kind": "test", "reason": "two\nlines"}),
        ("/v1/plans/dr/run", {"kind": "test", "machine": "web"}),
        ("/v1/plans/dr/check", {"kind": "test", "point": "newest"}),
        ("/v1/plan-runs/r1/confirm", {"step": "../../etc"}),
        ("/v1/plan-runs/r1/confirm", {"note": "\u001b[31m"}),
        ("/v1/plan-runs/r1/confirm", {"reply": "abort"}),
    ],
)
async def test_what_makes_no_sense(http: aiohttp.ClientSession, service: FakeService, path: str, body: Any) -> None:
    await sent(http, "POST", path, body, status=422)
    assert (service.started, service.engine.plans_now.said) == ([], [])


async def test_the_report_is_a_page_that_runs_nothing(http: aiohttp.ClientSession, service: FakeService) -> None:
    async with http.get(f"/v1/plan-runs/{service.engine.plans_now.run.id}/report") as response:
        policy = response.headers["Content-Security-Policy"]
        assert (response.status, response.content_type) == (200, "text/html")
        assert "default-src 'none'; style-src 'sha256-" in policy
        assert "unsafe" not in policy
        assert "turn the key" in await response.text()
