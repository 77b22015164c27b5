"""All that can be asked, in one table: it drives what is let in, what is described, and what is tested."""

from understudy.api import (
    drills,
    events,
    failover,
    groups,
    jobs,
    machines,
    measures,
    page,
    plans,
    points,
    schema,
    standbys,
    standing_in,
    vault,
)
from understudy.api.routes import Route

TABLE: tuple[Route, ...] = (
    *vault.ROUTES,
    *machines.ROUTES,
    *points.ROUTES,
    *standing_in.ROUTES,
    *standbys.ROUTES,
    *jobs.ROUTES,
    *failover.ROUTES,
    *drills.ROUTES,
    *groups.ROUTES,
    *plans.ROUTES,
    *events.ROUTES,
    *measures.ROUTES,
    *schema.ROUTES,
    *page.ROUTES,
)
