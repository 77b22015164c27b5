"""`/v1/openapi.json`."""

from aiohttp import web

from understudy.api.routes import Call, Route

DESCRIPTION: web.AppKey[bytes] = web.AppKey("description", bytes)


async def _openapi(call: Call) -> web.Response:
    return web.Response(body=call.request.app[DESCRIPTION], content_type="application/json")


ROUTES = (Route("GET", "/v1/openapi.json", "describe", "viewer", "This description (OpenAPI 3.1)", _openapi, media="application/json"),)
