"""Recovery plans, their runs, and what people say to those."""

from aiohttp import web

from understudy.api.answers import Page, paged
from understudy.api.bodies import AnswerBody, CheckPlanBody, PlanBody, RunPlanBody
from understudy.api.jobs import starting
from understudy.api.page import inline
from understudy.api.parts import plain
from understudy.api.queries import Paging
from understudy.api.routes import Call, Handler, Route
from understudy.engine import (
    AnswerStep,
    Job,
    PlanChecked,
    PlanEntry,
    PlanRun,
    PlanRunEntry,
    Reply,
    RunPlan,
    SetPlan,
    ShownPlan,
)
from understudy.engine.plan_page import STYLE, page_of


async def _list(call: Call) -> Page[PlanEntry]:
    asked = call.asked(Paging)
    return paged(await call.service.engine.plans(), lambda plan: plan.name, asked.limit, asked.next)


async def _show(call: Call) -> ShownPlan:
    return await call.service.engine.plan(call.path["plan"])


async def _set(call: Call) -> ShownPlan:
    return await call.service.engine.set_plan(SetPlan(name=call.path["plan"], text=call.given(PlanBody).text))


async def _remove(call: Call) -> PlanEntry:
    return await call.service.engine.remove_plan(call.path["plan"])


async def _check(call: Call) -> PlanChecked:
    return await call.service.check_plan(plain(call.given(CheckPlanBody), RunPlan, plan=call.path["plan"]))


async def _runs(call: Call) -> Page[PlanRunEntry]:
    """Newest first: the ids grow."""
    asked = call.asked(Paging)
    rest = [run for run in await call.service.plan_runs() if asked.next is None or run.id < asked.next]
    shown = rest[: asked.limit]
    return Page(items=tuple(shown), next=shown[-1].id if len(rest) > len(shown) else None)


async def _run(call: Call) -> PlanRun:
    return await call.service.plan_run(call.path["run"])


async def _page(call: Call) -> web.Response:
    policy = f"default-src 'none'; style-src '{inline(STYLE)}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return web.Response(text=page_of(await call.service.plan_run(call.path["run"])), content_type="text/html", headers=headers)


def _answering(reply: Reply) -> Handler:
    async def answer(call: Call) -> PlanRun:
        given = plain(call.given(AnswerBody), AnswerStep, reply=reply)
        return await call.service.answer_plan(call.path["run"], given, call.identity.name)

    return answer


def _answer(reply: Reply, summary: str) -> Route:
    path, name = f"/v1/plan-runs/{{run}}/{reply}", f"{reply}PlanStep" if reply != "abort" else "abortPlanRun"
    return Route("POST", path, name, "operator", summary, _answering(reply), PlanRun, body=AnswerBody, keeps=True)


_ONE = "/v1/plans/{plan}"
_RUN = "/v1/plan-runs/{run}"

ROUTES = (
    Route("GET", "/v1/plans", "listPlans", "viewer", "The vault's recovery plans", _list, Page[PlanEntry], query=Paging),
    Route("GET", _ONE, "showPlan", "viewer", "One recovery plan", _show, ShownPlan),
    Route("PUT", _ONE, "setPlan", "admin", "Keep a recovery plan, which may run programs as the daemon", _set, ShownPlan, body=PlanBody),
    Route("DELETE", _ONE, "removePlan", "admin", "Remove a recovery plan; reports of its runs stay", _remove, PlanEntry),
    Route(
        "POST",
        f"{_ONE}/check",
        "checkPlan",
        "operator",
        "A dry run: every step, and what would keep it from being done",
        _check,
        PlanChecked,
        body=CheckPlanBody,
        seconds=300,
    ),
    Route(
        "POST",
        f"{_ONE}/run",
        "runPlan",
        "operator",
        "Run a recovery plan",
        starting("plan", plan="plan"),
        Job,
        body=RunPlanBody,
        status=202,
    ),
    Route("GET", "/v1/plan-runs", "listPlanRuns", "viewer", "Runs, newest first", _runs, Page[PlanRunEntry], query=Paging, seconds=120),
    Route("GET", _RUN, "showPlanRun", "viewer", "A run as it is now; once it is over, its report", _run, PlanRun),
    Route("GET", f"{_RUN}/report", "showPlanReport", "viewer", "The report as a page", _page, media="text/html"),
    _answer("confirm", "What a step waits for is done"),
    _answer("retry", "Do a step that failed once more"),
    _answer("skip", "Go on without a step"),
    _answer("abort", "Begin nothing more; what runs is ended where that is safe"),
)
