"""Made-up requests to every route: the answer is always of the described form, and never a fault of ours."""

import json
import random
import string
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.api.fake_service import FakeService
from understudy.api.openapi import describe
from understudy.api.refusals import Refusal
from understudy.api.routes import Route
from understudy.api.table import TABLE

ROUNDS = 25
SHARP: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e308, 2**63, 2**64, -(2**70), "", "web", "\x00", "\ud7ff", "🜁" * 70, "../..", "a" * 5000),
    *([], {}, [[]], {"": None}, "aa11" + "0" * 28, "/r", "raw", "digest", "key-file"),
)


def made_up(kind: random.Random, schema: dict[str, Any], components: dict[str, Any], depth: int = 0) -> Any:
    """Something like what the schema says, and now and then something else."""
    if kind.random() < 0.08 or depth > 6:
        return kind.choice(SHARP)
    if "$ref" in schema:
        return made_up(kind, components[schema["$ref"].rpartition("/")[2]], components, depth)
    if "anyOf" in schema:
        return made_up(kind, kind.choice(schema["anyOf"]), components, depth + 1)
    if "enum" in schema:
        return kind.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            named = {name: made_up(kind, inner, components, depth + 1) for name, inner in schema.get("properties", {}).items()}
            kept = {name: value for name, value in named.items() if name in schema.get("required", ()) or kind.random() < 0.6}
            if schema.get("additionalProperties"):
                kept |= {
                    _word(kind): made_up(kind, schema["additionalProperties"], components, depth + 1) for _ in range(kind.randrange(3))
                }
            return kept
        case "array":
            return [made_up(kind, schema["items"], components, depth + 1) for _ in range(kind.randrange(4))]
        case "integer" | "number":
            return kind.choice((schema.get("minimum", 0), schema.get("maximum", 1 << 40), kind.randrange(1000)))
        case "boolean":
            return kind.random() < 0.5
        case "string":
            return kind.choice(("aa11" + "0" * 28, "web", "/srv/x", "08:00", _word(kind)))
    return kind.choice(SHARP)


def _word(kind: random.Random) -> str:
    return "".join(kind.choice(string.printable + "ü\u2028") for _ in range(kind.randrange(1, 12)))


@pytest.mark.parametrize("route", [route for route in TABLE if route.media == "application/json"], ids=lambda route: route.name)
async def test_no_request_finds_a_fault(route: Route, http: aiohttp.ClientSession, service: FakeService) -> None:
    service.ends_at_once = False
    kind = random.Random(route.name)
    description = json.loads(describe(TABLE))
    components = description["components"]["schemas"]
    operation = description["paths"][route.path][route.method.lower()]
    allowed = {int(status) for status in operation["responses"] if status != "default"}
    for _ in range(ROUNDS):
        parts = dict.fromkeys(("machine", "group", "hold", "key", "instant", "job", "drill", "orphan", "plan", "run"), "web")
        if kind.random() < 0.2:
            parts = dict.fromkeys(parts, "".join(kind.choice("aZ09._-%~é") for _ in range(kind.randrange(1, 70))).replace("%", "%25"))
        query = {}
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query" and kind.random() < 0.4:
                query[parameter["name"]] = str(made_up(kind, parameter["schema"], components))
        body = made_up(kind, operation["requestBody"]["content"]["application/json"]["schema"], components) if route.body else None
        data = json.dumps(body).encode() if route.body else None
        headers = {"Content-Type": "application/json"} if route.body else {}
        async with http.request(route.method, route.path.format_map(parts), params=query, data=data, headers=headers) as response:
            answer = await response.read()
            assert response.status < 500, (parts, query, body, answer)
            assert response.status in allowed, (response.status, parts, query, body, answer)
            assert response.content_type == "application/json"
        if response.status >= 400:
            msgspec.json.decode(answer, type=Refusal)
        elif route.answer is not None:
            msgspec.json.decode(answer, type=route.answer)


def test_the_description_holds_together() -> None:
    description = json.loads(describe(TABLE))
    assert description["openapi"] == "3.1.0"
    components = description["components"]["schemas"]
    for name in _references(description):
        assert name in components
    operations = {(method.upper(), path): operation for path, found in description["paths"].items() for method, operation in found.items()}
    assert operations.keys() == {(route.method, route.path) for route in TABLE}
    for route in TABLE:
        operation = operations[route.method, route.path]
        assert operation["x-role"] == (route.role or "anybody")
        assert operation["summary"]
        assert ("requestBody" in operation) == (route.body is not None)


def test_links_lead_to_what_is_there() -> None:
    """Each part of the path that a link leads to is a field of the answer that it is in."""
    description = json.loads(describe(TABLE))
    components = description["components"]["schemas"]
    paths = {operation["operationId"]: path for path, found in description["paths"].items() for operation in found.values()}
    linked = 0
    for route in TABLE:
        response = description["paths"][route.path][route.method.lower()]["responses"][str(route.status)]
        for link in response.get("links", {}).values():
            linked += 1
            wanted = {part.strip("{}") for part in paths[link["operationId"]].split("/") if part.startswith("{")}
            assert link["parameters"].keys() == wanted
            for pointer in link["parameters"].values():
                schema = response["content"][route.media]["schema"]
                for field in pointer.removeprefix("$response.body#/").split("/"):
                    schema = components[schema["$ref"].rpartition("/")[2]]["properties"][field]
                assert schema["type"] == "string"
    assert linked


def _references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"].rpartition("/")[2]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(_references, part.values()))
    return set().union(*map(_references, part)) if isinstance(part, list) else set()
