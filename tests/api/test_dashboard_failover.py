"""Failovers in a real browser: what can be done is shown, and begun only when it was said what it does, and that was meant."""

import re

from tests.api.browser import Tab
from tests.api.failover_page import Failovers, standing
from tests.api.fake_service import FakeService
from tests.api.test_dashboard import HOSTILE


async def test_who_only_looks_sees_all_of_it_and_is_offered_nothing(tab: Tab, service: FakeService) -> None:
    standing(service)
    page = Failovers(tab)
    await page.open("only looks")

    # What is wrong stands first, with what to do.
    assert await tab.texts("#failovers > li > .line .critical") == ["runs on two sites"]
    first, second = await tab.texts("#failovers .alarm.critical")
    assert "at site host-c it runs, too" in first
    assert HOSTILE in first
    assert "stop it there by hand, at once" in first
    assert second == "runs on two sites: site 'host-b' is its primary, and it runs here, toostop it here at once"
    assert "failed over, not committed" in (await tab.texts("#failovers .quiet"))[0]

    # Each part says its gist.
    gists = dict(zip(await tab.texts("#failovers summary b"), await tab.texts("#failovers summary span"), strict=True))
    assert gists["Test failovers"] == "one stands until it is cleaned up"
    assert gists["Standby"] == "follows, at point 4, 1 point (1 m) behind"
    assert gists["Ready here?"].startswith("ready, with warnings (1)")
    assert gists["Networks here"] == "2 cards, 1 not mapped, 1 in the way"
    assert gists["Isolation"] == "none"
    assert gists["Put aside"] == "2, kept until somebody deletes them"
    assert await tab.texts("#failovers .hint") == ["start one", "say it"]

    # Dates are as everybody reads them; nothing but tables scrolls sideways on a telephone.
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", (await tab.texts("#point-rows td:nth-of-type(2)"))[0])
    await tab.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    await tab.until("document.documentElement.scrollWidth <= 390")
    assert await page.offered() == []

    # What another site says stands in the vault, and no event tells of it here.
    await tab.value("READ_AGAIN.open = 100")
    service.standing["stood_down"] = ()
    await tab.until("document.querySelectorAll('#failovers .alarm').length == 1")
    assert await tab.value("document.images.length") == 0


async def test_what_is_allowed_is_done_when_it_was_meant(tab: Tab, service: FakeService) -> None:
    standing(service)
    page = Failovers(tab)
    await page.open("secret")
    offered = await page.offered()
    assert offered[:5] == ["Test…", "Unplanned failover…", "Another point…", "Cancel…", "Commit…"]
    # What an admin alone may do is not offered to an operator.
    assert offered[5:] == ["Clean up…", "Pause…", "Verify…", "Look now", "Change…", "Delete…"]

    # Nothing is begun by the first press; and where somebody looked away, what they stood on is found again.
    await tab.value("""document.querySelector('[data-key="commit web"]').focus()""")
    await page.press("commit web")
    assert "stays here" in await page.said()
    await tab.value("document.getElementById('mean-no').click()")
    assert await tab.value("document.activeElement.dataset.key") == "commit web"
    assert service.started == []

    # An unplanned failover says what is lost, and is begun only when the machine's name was written.
    await page.press("unplanned web")
    said = await page.said()
    assert all(words in said for words in ("from point 7, frozen", "is lost", "nothing makes sure that it does not run"))
    assert not await page.ready()
    await page.fill("Type", "wev")
    assert not await page.ready()
    await page.fill("Type", "web")
    assert await page.ready()
    point = service.engine.points_now[1]
    assert len(await tab.texts("#mean option")) == 3
    await tab.value(f"document.querySelector('#mean select').value = '{point.id}'")
    await tab.value("document.querySelector('#mean select').dispatchEvent(new Event('input', { bubbles: true }))")
    said = await page.said()
    assert all(words in said for words in ("from point 4", "1 newer point is passed over"))
    await page.fill("Reason", "fire")
    # On a telephone the dialog fits, and everything in it has a name.
    await tab.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    await tab.until("document.getElementById('mean').scrollWidth <= 390 && document.documentElement.scrollWidth <= 390")
    tree = [node for node in (await tab.call("Accessibility.getFullAXTree"))["nodes"] if not node["ignored"]]
    roles = ("button", "textbox", "radio", "checkbox", "combobox", "dialog", "group", "alert")
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if node["role"]["value"] in roles]
    assert ("dialog", "Unplanned failover: web") in named
    assert not [role for role, name in named if not name and role != "alert"]
    await page.go()
    await tab.until("document.querySelector('#failovers progress')")
    (started,) = service.started
    assert (started.kind, started.machine, started.actor) == ("failover", "web", "anna")
    assert started.parameters == {"mode": "unplanned", "point": point.id, "force": False, "reason": "fire"}

    # Another point: the newest by its id, since that is what was said.
    await page.press("change-point web")
    assert "What it wrote here since the failover is kept aside" in await page.said()
    await page.go()
    assert service.started[1].parameters == {"point": service.engine.points_now[2].id}
    assert not [line for line in tab.said if "exceptionThrown" in line or "Uncaught" in line]
