"""The dashboard: one page that holds all it needs. It says nothing by itself; what it shows it asks for as whoever looks at it."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from aiohttp import web

from understudy.api.routes import Call, Route

_SCRIPTS = ("script.js", "asking.js", "choosing.js", "plans.js", "failover.js", "drills.js", "standbys.js", "standing_in.js")


@cache
def dashboard() -> tuple[str, str]:
    """The page and its Content-Security-Policy: only its own style and script run, and they talk only to where it came from."""
    parts = files("understudy.api") / "dashboard"
    style = (parts / "style.css").read_text("utf-8")
    script = "".join((parts / name).read_text("utf-8") for name in _SCRIPTS)
    page = (parts / "page.html").read_text("utf-8").replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)
    policy = (
        f"default-src 'none'; style-src '{inline(style)}'; script-src '{inline(script)}'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


def inline(text: str) -> str:
    """What a Content-Security-Policy says to let just this style, or script, stand in a page."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


async def _page(_: Call) -> web.Response:
    page, policy = dashboard()
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"}
    return web.Response(text=page, content_type="text/html", headers=headers)


ROUTES = (Route("GET", "/", "showDashboard", None, "The dashboard", _page, media="text/html"),)
