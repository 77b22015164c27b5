"""A browser can be led here by a page of somebody else, for instance where the unix socket is forwarded to a local port: it then carries
the rights of whoever forwarded it. What such a page can make a browser send is refused. Pure."""

from urllib.parse import urlsplit

from aiohttp import web

from understudy.errors import AccessDenied

_LOCAL = {"localhost", "127.0.0.1", "::1", "understudy"}


def must_not_be_led(request: web.Request) -> None:
    """By the headers that browsers set and pages cannot."""
    origin = request.headers.get("Origin")
    host = request.headers.get("Host", "")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        raise AccessDenied("a page of another site asks", hint="use the dashboard of this daemon itself, or a client that is no browser")
    if request.method != "GET" and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise AccessDenied("a page of another site asks", hint="use the dashboard of this daemon itself, or a client that is no browser")
    by_name = request.transport is not None and request.transport.get_extra_info("ssl_object") is None
    if by_name and _name(host) not in _LOCAL:
        raise AccessDenied(f"this is not {host[:100]!r}", hint="on the unix socket the Host is localhost, or a name that stands for it")


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
