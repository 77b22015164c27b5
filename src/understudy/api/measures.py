"""`/metrics`."""

import asyncio

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from understudy.api.metrics import METRICS
from understudy.api.routes import Call, Route


async def _metrics(call: Call) -> web.Response:
    health, machines = await call.service.health(), await call.service.statuses()
    # Of many machines that is a lot of text: others are answered meanwhile.
    text = await asyncio.to_thread(call.request.app[METRICS].text, health, machines)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


ROUTES = (Route("GET", "/metrics", "showMetrics", "viewer", "Figures for Prometheus", _metrics, media="text/plain"),)
