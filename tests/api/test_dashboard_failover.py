"""Failovers in a real browser: what can be done is shown, and done only when that was confirmed."""

import pytest

from tests.api.browser import ENTER, SHOWN, Tab
from tests.api.fake_service import FakeService


@pytest.mark.parametrize("secret", ["only looks", "secret"])
async def test_what_is_allowed_is_offered_to_who_may_and_done_when_confirmed(tab: Tab, service: FakeService, secret: str) -> None:
    service.ends_at_once = False
    await tab.value(ENTER.format(secret))
    await tab.until(SHOWN)
    await tab.until('document.querySelector("#failovers button")')
    await tab.value('document.querySelector("#failovers button").click()')
    await tab.until('document.querySelector("#failovers .quiet")')
    assert "failed over, not committed" in (await tab.texts("#failovers .quiet"))[0]
    offered = await tab.texts("#failovers .buttons button")
    if secret == "only looks":
        assert offered == []
        return
    assert offered == ["Test", "Cancel", "Commit"]
    await tab.value("window.asked = []; window.confirm = (words) => { window.asked.push(words); return window.asked.length > 1; }")
    await tab.value('document.querySelectorAll("#failovers .buttons button")[2].click()')
    assert "stays here" in await tab.value("window.asked[0]")
    assert service.started == []
    await tab.value('document.querySelectorAll("#failovers .buttons button")[2].click()')
    await tab.until('document.querySelector("#jobs li")')
    (started,) = service.started
    assert (started.kind, started.actor) == ("commit-failover", "anna")
