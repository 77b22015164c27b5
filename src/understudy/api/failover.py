"""Failing a machine over to this site, and what comes after it."""

from understudy.api.bodies import ChangePointBody, FailOverBody, IsolationBody
from understudy.api.jobs import job_route, starting
from understudy.api.routes import Call, Route
from understudy.engine import Authority

_ONE = "/v1/machines/{machine}"


async def _authority(call: Call) -> Authority:
    return await call.service.authority(call.path["machine"])


async def _isolation(call: Call) -> Authority:
    return await call.service.set_isolation(call.path["machine"], call.given(IsolationBody).seconds, call.identity.name)


async def _drop(call: Call) -> Authority:
    return await call.service.drop_run(call.path["machine"], call.path["run"], call.identity.name)


ROUTES = (
    Route("GET", f"{_ONE}/failover", "showFailover", "viewer", "Where a machine stands, and what can be done here", _authority, Authority),
    job_route(f"{_ONE}/failover", "failOver", "Start the machine on this site, as itself", starting("failover"), FailOverBody),
    job_route(f"{_ONE}/failover/change-point", "changePoint", "Go on from another point", starting("change-point"), ChangePointBody),
    job_route(f"{_ONE}/failover/cancel", "cancelFailover", "Go back to where the machine was", starting("cancel-failover"), None),
    job_route(f"{_ONE}/failover/commit", "commitFailover", "Accept the failover", starting("commit-failover"), None),
    job_route(f"{_ONE}/failover/start", "startAgain", "Start it again here", starting("start-again"), None),
    job_route(f"{_ONE}/reprotect", "reprotect", "Replicate the machine from here", starting("reprotect"), None),
    Route("DELETE", f"{_ONE}/runs/{{run}}", "dropRun", "operator", "Drop what a run that was given up wrote", _drop, Authority),
    Route(
        "PUT",
        f"{_ONE}/isolation",
        "setIsolation",
        "operator",
        "Say after how long without the vault the machine is paused here",
        _isolation,
        Authority,
        body=IsolationBody,
    ),
)
