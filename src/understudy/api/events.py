"""What happened, and what happens: a list to page through, and a stream to follow."""

from understudy.api.answers import Page
from understudy.api.queries import EventsAsked, StreamAsked
from understudy.api.routes import Call, Route
from understudy.api.stream import followed
from understudy.engine import Event, EventQuery


async def _list(call: Call) -> Page[Event]:
    asked = call.asked(EventsAsked)
    more = 0 if asked.after is None else 1
    query = EventQuery(after=asked.after, machine=asked.machine, kinds=asked.kind, without=asked.without, limit=asked.limit + more)
    found = await call.service.events(query)
    shown = found[: asked.limit]
    return Page(items=shown, next=str(shown[-1].id) if len(found) > len(shown) else None)


ROUTES = (
    Route("GET", "/v1/events", "listEvents", "viewer", "Events, oldest first", _list, Page[Event], query=EventsAsked),
    Route(
        "GET",
        "/v1/stream",
        "follow",
        "viewer",
        "Events and changes of jobs, as they come (server-sent events)",
        followed,
        query=StreamAsked,
        media="text/event-stream",
        seconds=None,
    ),
)
