"""What a failover rests on, in a real browser: tests and their evidence, images kept here, readiness, isolation, what was put aside."""

from tests.api.browser import Tab
from tests.api.failover_page import Failovers, standing
from tests.api.fake_drills import DRILL
from tests.api.fake_service import FakeService
from tests.api.fake_standbys import ORPHAN
from understudy.engine import CreateStandby, DropOrphan, RemoveStandby, SetStandby


async def test_a_point_is_tested_looked_at_and_cleaned_up(tab: Tab, service: FakeService) -> None:
    standing(service)
    page = Failovers(tab)
    await page.open("secret")

    # What was seen of a test: each check, its screen as a picture, the end of its console without what moves a terminal.
    await page.press(f"drill {DRILL.id}")
    await tab.until("document.querySelector('img.screen') && document.querySelector('img.screen').naturalWidth == 4")
    assert [text.split(":")[0] for text in await tab.texts("#failovers .steps li")] == ["passed agent", "failed tcp 443"]
    assert await tab.texts("#failovers .part pre") == ["booting\nweb login: \n"]
    assert any("after 1.3 s: its guest runs" in text for text in await tab.texts("#failovers .part .quiet"))

    # It is cleaned up with what an operator says of it.
    await page.press(f"cleanup {DRILL.id}")
    assert "written down as failed" in await page.said()
    await page.fill("Outcome", "passed")
    await page.fill("Note", "could log in")
    assert "written down as passed" in await page.said()
    await page.go()

    # Another is started from what the standby holds.
    await page.press("test web")
    await page.said()
    await page.fill("What the standby")
    await page.fill("It stands", "3600")
    await page.go()
    cleaned, tested = service.started
    assert (cleaned.kind, cleaned.parameters) == ("drill-cleanup", {"drill": DRILL.id, "passed": True, "note": "could log in"})
    assert tested.kind == "test-failover"
    said = ("point", "network", "keep_for", "cleanup")
    assert [tested.parameters[name] for name in said] == ["latest-processed", "isolated", 3600, False]


async def test_an_admin_keeps_images_and_drops_what_was_put_aside(tab: Tab, service: FakeService) -> None:
    standing(service)
    page = Failovers(tab)
    await page.open("all")
    asked = service.engine.asked

    await page.press("rest web")
    assert "their point is held" in await page.said()
    await page.go()
    assert SetStandby(machine="web", paused=True) in asked

    await page.press("prove web")
    await page.said()
    await page.go()
    assert (service.started[0].kind, service.started[0].parameters) == ("follow-standby", {"prove": True})

    await page.press("places web")
    await page.said()
    assert not await page.ready()
    await page.fill("Directory", "/srv/other")
    await page.go()
    assert CreateStandby(machine="web", directory="/srv/other") in asked

    # Without its images it is gone for good: the name is written. With them it is not.
    await page.press("remove web")
    assert "/s/vda.raw" in await page.said()
    assert not await page.ready()
    await page.fill("Leave the images")
    assert await page.ready()
    await page.go()
    assert RemoveStandby(machine="web", keep_images=True) in asked

    for key in (f"orphan {ORPHAN.name}", "run web-2"):
        await page.press(key)
        assert "gone for good" in await page.said()
        assert not await page.ready()
        await page.fill("Type", "web")
        await page.go()
    assert DropOrphan(machine="web", name=ORPHAN.name) in asked
    assert service.dropped == [("web", "web-2", "root")]

    # It is isolated, and looked at: what is found now stands there.
    await page.press("isolation web")
    await page.said()
    await page.fill("Seconds", "90")
    assert "90 seconds" in await page.said()
    await page.go()
    assert service.isolated == [("web", 90, "root")]
    service.verdict = "fail"
    await page.press("check web")
    await tab.until("[...document.querySelectorAll('#failovers summary .failed')].some((one) => one.textContent.startsWith('not ready'))")
    assert not [line for line in tab.said if "exceptionThrown" in line or "Uncaught" in line]
