"""Test failovers: which there are, what was seen, and how a copy is known to be well. They begin and end as jobs."""

import msgspec

from understudy.api.answers import Page
from understudy.api.bodies import ChecksBody, DrillCleanupBody, TestFailoverBody
from understudy.api.jobs import job_route, starting
from understudy.api.queries import DrillsAsked
from understudy.api.routes import Call, Route
from understudy.engine import Check, Checks, Drill, Evidence


async def _list(call: Call) -> Page[Drill]:
    asked = call.asked(DrillsAsked)
    found = await call.service.drills(asked.machine)
    ids = [drill.id for drill in found]
    begin = ids.index(asked.next) + 1 if asked.next in ids else 0
    shown = found[begin : begin + asked.limit]
    return Page(items=shown, next=shown[-1].id if len(found) > begin + len(shown) else None)


async def _show(call: Call) -> Drill:
    return await call.service.drill(call.path["drill"])


async def _evidence(call: Call) -> Evidence:
    return await call.service.evidence(call.path["drill"])


async def _checks(call: Call) -> Checks:
    return await call.service.checks(call.path["machine"])


async def _set_checks(call: Call) -> Checks:
    checks = msgspec.convert(msgspec.to_builtins(call.given(ChecksBody).checks), tuple[Check, ...])
    return await call.service.set_checks(call.path["machine"], checks, call.identity.name)


async def _clear_checks(call: Call) -> Checks:
    return await call.service.set_checks(call.path["machine"], None, call.identity.name)


_ONE = "/v1/machines/{machine}"
_CHECKS = f"{_ONE}/checks"

ROUTES = (
    job_route(
        f"{_ONE}/test-failover", "testFailover", "Start a copy of a point, and look at it", starting("test-failover"), TestFailoverBody
    ),
    job_route(f"{_ONE}/drill-cleanup", "cleanUpDrill", "Remove what a test started", starting("drill-cleanup"), DrillCleanupBody),
    Route("GET", "/v1/drills", "listDrills", "viewer", "Test failovers of this site, newest first", _list, Page[Drill], query=DrillsAsked),
    Route("GET", "/v1/drills/{drill}", "showDrill", "viewer", "One test failover", _show, Drill),
    Route("GET", "/v1/drills/{drill}/evidence", "showEvidence", "viewer", "What was on its screen and console", _evidence, Evidence),
    Route("GET", _CHECKS, "showChecks", "viewer", "How it is known that a copy of the machine is well", _checks, Checks),
    # Admins only: a program of this host may be among them.
    Route("PUT", _CHECKS, "setChecks", "admin", "Say how that is known", _set_checks, Checks, body=ChecksBody),
    Route("DELETE", _CHECKS, "clearChecks", "admin", "Let it follow from what the machine is", _clear_checks, Checks),
)
