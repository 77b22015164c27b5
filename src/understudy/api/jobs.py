"""Long operations: each begins as a job, which is durable when the answer goes out."""

from typing import Any

import msgspec

from understudy.api.answers import Page
from understudy.api.bodies import (
    CollectBody,
    FollowStandbyBody,
    ProfileBody,
    PruneBody,
    ReplicateBody,
    RestoreBody,
    RestoreGroupBody,
    SeedExportBody,
    SeedImportBody,
    VerifyBody,
)
from understudy.api.queries import JobsAsked
from understudy.api.routes import Call, Handler, Route
from understudy.engine import Job, JobKind, JobQuery, StartJob, Value


async def _list(call: Call) -> Page[Job]:
    asked = call.asked(JobsAsked)
    query = JobQuery(machine=asked.machine, states=asked.state, before=asked.next, limit=asked.limit + 1)
    found = await call.service.jobs(query)
    shown = found[: asked.limit]
    return Page(items=shown, next=shown[-1].id if len(found) > len(shown) else None)


async def _show(call: Call) -> Job:
    return await call.service.job(call.path["job"])


async def _cancel(call: Call) -> Job:
    return await call.service.cancel(call.path["job"], call.identity.name)


def starting(kind: JobKind, **also: str) -> Handler:
    """Begins a job with the body's fields; `also`: parameters that are parts of the path, by their names there."""

    async def start(call: Call) -> Job:
        # As JSON has them, so that they are the same when they come back from where jobs are kept.
        parameters: dict[str, Any] = {} if call.body is None else msgspec.json.decode(msgspec.json.encode(call.body))
        parameters |= {name: call.path[part] for name, part in also.items()}
        request = StartJob(kind=kind, machine=call.path.get("machine"), parameters=parameters, actor=call.identity.name, key=call.key)
        return await call.service.start(request)

    return start


def job_route(path: str, name: str, summary: str, handler: Handler, body: type[Value] | None) -> Route:
    return Route("POST", path, name, "operator", summary, handler, Job, body=body, status=202)


_ONE = "/v1/machines/{machine}"

ROUTES = (
    Route("GET", "/v1/jobs", "listJobs", "viewer", "Jobs, newest first", _list, Page[Job], query=JobsAsked),
    Route("GET", "/v1/jobs/{job}", "showJob", "viewer", "One job", _show, Job),
    Route("POST", "/v1/jobs/{job}/cancel", "cancelJob", "operator", "Cancel a job, where that is safe", _cancel, Job, keeps=True),
    job_route(f"{_ONE}/replicate", "replicate", "Make a recovery point now", starting("replicate"), ReplicateBody),
    job_route(f"{_ONE}/restore", "restore", "Write a point's disks to files or devices", starting("restore"), RestoreBody),
    job_route(f"{_ONE}/verify", "verify", "Prove points", starting("verify"), VerifyBody),
    job_route(f"{_ONE}/prune", "prune", "Drop the points that the retention policy does not keep", starting("prune"), PruneBody),
    job_route(f"{_ONE}/collect", "collect", "Give back the space that no kept point needs", starting("collect"), CollectBody),
    job_route(f"{_ONE}/seed-export", "exportSeed", "Put a point into a directory", starting("seed-export"), SeedExportBody),
    job_route(
        f"{_ONE}/standby/follow", "followStandby", "Bring a standby to the newest point", starting("follow-standby"), FollowStandbyBody
    ),
    job_route(f"{_ONE}/profile", "profile", "Count a machine's changes for a while", starting("profile"), ProfileBody),
    job_route("/v1/seed-import", "importSeed", "Bring an exported point into the vault", starting("seed-import"), SeedImportBody),
    job_route("/v1/scrub", "scrub", "Hash every object of the vault", starting("verify"), None),
    job_route(
        "/v1/groups/{group}/replicate", "replicateGroup", "An instant of a group", starting("replicate", group="group"), ReplicateBody
    ),
    job_route(
        "/v1/instants/{instant}/restore",
        "restoreGroup",
        "Write all disks of an instant",
        starting("restore", instant="instant"),
        RestoreGroupBody,
    ),
)
