"""The description of the API, made from the table and from the very types that requests are read with. Pure."""

import inspect
import re
from typing import Any

import msgspec

from understudy import __version__
from understudy.api.queries import NAME_PATTERN
from understudy.api.refusals import Refusal
from understudy.api.remembering import KEY_PATTERN
from understudy.api.routes import Route
from understudy.engine import Event, Group, Hold, Job, Key, Protected

_REF = "#/components/schemas/{name}"
_REASONS = {
    "401": "No token, or one that is not known",
    "403": "The caller's role does not allow this",
    "404": "There is no such thing",
    "409": "Not possible in the present state",
    "422": "The request makes no sense; the message names the field",
}


# What an answer leads to: of which fields of it the parts of other paths are.
_LINKS: dict[Any, dict[str, dict[str, str]]] = {
    Job: {"showJob": {"job": "/id"}, "cancelJob": {"job": "/id"}},
    Protected: {
        name: {"machine": "/machine/id"} for name in ("showMachine", "setPolicy", "setRetention", "listPoints", "replicate", "unprotect")
    },
    Group: {"replicateGroup": {"group": "/name"}, "removeGroup": {"group": "/name"}},
    Hold: {"removeHold": {"hold": "/id", "machine": "/machine"}},
    Key: {"rotateKey": {"key": "/slot"}, "removeKey": {"key": "/slot"}},
}


def describe(table: tuple[Route, ...]) -> bytes:
    """OpenAPI 3.1, as JSON."""
    wanted = [Refusal, Event, Job]
    wanted += [kind for route in table for kind in (route.answer, route.body, route.query) if kind is not None]
    kinds = list(dict.fromkeys(wanted))
    references, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(kinds, references, strict=True))
    paths: dict[str, Any] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of, components)
    queries = {reference["$ref"].rpartition("/")[2] for kind, reference in schema_of.items() if any(kind is route.query for route in table)}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "understudy",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Times are wall-clock nanoseconds since the epoch, durations seconds, sizes bytes, ids lower-case hex. "
            "On the unix socket the caller is known by the kernel; over TCP with TLS a bearer token is needed. Fields may be added.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: _tidy(schema) for name, schema in components.items() if name not in queries},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    return msgspec.json.encode(document, order="deterministic")


def _operation(route: Route, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.name, "summary": route.summary, "responses": _responses(route, schema_of)}
    operation["x-role"] = route.role or "anybody"
    operation["security"] = [{"token": []}, {}] if route.role else [{}]
    parameters = [_in_path(name) for name in re.findall(r"\{(\w+)\}", route.path)]
    if route.query is not None:
        parameters += _in_query(components[schema_of[route.query]["$ref"].rpartition("/")[2]])
    if route.method == "POST":
        parameters.append(_header("Idempotency-Key", "Said again, done once", {"pattern": KEY_PATTERN}))
    if route.media == "text/event-stream":
        parameters.append(_header("Last-Event-ID", "Go on after this event", {"pattern": "^[0-9]{1,18}$"}))
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        required = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema_of[route.body]}}}
    return operation


def _responses(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    refusal = {"application/json": {"schema": schema_of[Refusal]}}
    schema = schema_of[route.answer] if route.answer is not None else {"type": "string"}
    if route.answer is None and route.media == "application/json":
        schema = {"type": "object"}
    responses: dict[str, Any] = {str(route.status): {"description": "Done", "content": {route.media: {"schema": schema}}}}
    if route.method == "POST" and route.answer in _LINKS:
        responses[str(route.status)]["links"] = {
            name: {"operationId": name, "parameters": {part: f"$response.body#{field}" for part, field in parts.items()}}
            for name, parts in _LINKS[route.answer].items()
        }
    if route.status == 202:
        responses["202"]["description"] = "The job that does it; GET /v1/jobs/{job} or the stream tell how it goes"
    if route.role is not None:
        responses |= {status: {"description": reason, "content": refusal} for status, reason in _REASONS.items()}
    responses["400"] = {
        "description": "This is not HTTP, or its head is too long",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    responses["default"] = {"description": "Any other failure, in the same form", "content": refusal}
    return responses


def _in_path(name: str) -> dict[str, Any]:
    words = {
        "machine": "Its name or id",
        "job": "Its id",
        "hold": "The beginning of its id",
        "key": "Its slot's id, or its label",
        "orphan": "Its name",
    }
    schema = {"type": "string", "pattern": NAME_PATTERN}
    return {"name": name, "in": "path", "required": True, "description": words.get(name, "Its name or id"), "schema": schema}


def _in_query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    needed = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": _without_null(inner)}
        for name, inner in schema["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is never null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else schema


def _header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}


def _tidy(schema: Any) -> Any:
    """Docstrings without the indentation of their source."""
    if isinstance(schema, dict):
        tidied = {key: _tidy(value) for key, value in schema.items()}
        if isinstance(tidied.get("description"), str):
            tidied["description"] = inspect.cleandoc(tidied["description"])
        return tidied
    return [_tidy(item) for item in schema] if isinstance(schema, list) else schema
