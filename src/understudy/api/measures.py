"""`/metrics`."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from understudy.api.metrics import METRICS
from understudy.api.routes import Call, Route


async def _metrics(call: Call) -> web.Response:
    health, machines = await call.service.health(), await call.service.statuses()
    return web.Response(body=call.request.app[METRICS].text(health, machines), headers={"Content-Type": CONTENT_TYPE_LATEST})


ROUTES = (Route("GET", "/metrics", "showMetrics", "viewer", "Figures for Prometheus", _metrics, media="text/plain"),)
