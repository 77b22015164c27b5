"""The dashboard in a real browser: what it shows, that names cannot act in it, that it goes on after the daemon was away."""

import msgspec

from tests.api.browser import ENTER, SHOWN, Tab
from tests.api.fake_service import FakeService, event, status
from understudy.engine import JobProgress, StartJob
from understudy.errors import Conflict

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\">"


async def test_the_dashboard_shows_what_the_service_says(tab: Tab, service: FakeService) -> None:
    service.ends_at_once = False
    job = await service.start(StartJob(kind="restore", machine="web", parameters={}, actor="anna"))
    service.jobs_now[0] = msgspec.structs.replace(job, progress=JobProgress(phase="writing", done=1, total=4))
    service.machines.append(status("evil", source=HOSTILE, method=HOSTILE, failures=2))
    service.tell(event(1, message=HOSTILE, machine=service.machines[0].id))

    await tab.value(ENTER.format("wrong"))
    assert "not known" in await tab.until('document.getElementById("refused").textContent')
    await tab.value(ENTER.format("secret"))
    await tab.until(SHOWN)

    # The worst first; why, and what to do; RPO and its course; how far the job is.
    assert await tab.texts("tbody#rows th button") == ["db", "evil", "web"]
    assert await tab.texts("tr.why:not([hidden])") == ["the newest point is 45 s old: give it a longer interval"]
    assert await tab.value('document.querySelectorAll("#rows svg polyline").length') == 3
    assert "of 10 s" in (await tab.texts("#rows td.number"))[0]
    assert await tab.texts("#rows tr.machine td:nth-of-type(4)") == ["protected", "failing", "protected"]
    assert await tab.value('document.querySelector("#jobs progress").value') == 1
    assert "25 %" in (await tab.texts("#jobs .quiet"))[0]
    assert await tab.texts("#summary") == ["3 machines: 1 warning"]
    assert await tab.value("document.title") == "1 warning | understudy"

    # What others wrote is text, and only the page's own script runs.
    assert (await tab.texts("#events span:last-child")) == [HOSTILE]
    await tab.value("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.led = 1'}))")
    assert await tab.value("window.led === undefined && document.images.length === 0")

    # A machine is chosen with the keyboard; its points are drawn, and named in a table.
    await tab.value("[...document.querySelectorAll('#rows button')].at(-1).focus()")
    await tab.press("Enter")
    await tab.until('document.querySelectorAll("#time circle.crash").length == 3')
    assert await tab.texts("#points-title") == ["Points of web"]
    assert [text.split("9")[0] for text in await tab.texts("#point-rows td:first-child")] == ["7", "4", "3"]

    # It is live: a change of a job, an event, a machine that is well again.
    service.end(job.id, result={})
    await tab.until('document.querySelector("#jobs .succeeded")')
    service.machines[1] = status("db")
    service.tell(event(2, message="db holds its RPO again", machine=service.machines[1].id))
    await tab.until('document.getElementById("summary").textContent == "All well: 3 machines"')
    assert (await tab.texts("#events span:last-child"))[0] == "db holds its RPO again"

    # The stream ends, as when the daemon is restarted: what happened meanwhile is there afterwards, once.
    service.events_now.append(event(3, message="meanwhile"))
    service.tell(Conflict("the daemon stops"))
    await tab.until('document.querySelectorAll("#events li").length == 3')
    await tab.until(SHOWN)
    assert (await tab.texts("#events span:last-child"))[0] == "meanwhile"
    assert not [line for line in tab.said if "exceptionThrown" in line or "Uncaught" in line]


async def test_the_dashboard_is_made_for_everybody(tab: Tab, service: FakeService) -> None:
    await tab.value(ENTER.format("secret"))
    await tab.until(SHOWN)
    tree = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]
    roles = {role for role, _ in named}
    assert {"banner", "main", "contentinfo", "table", "columnheader", "rowheader", "heading", "status"} <= roles
    assert not [role for role, name in named if role in ("button", "image", "region", "progressbar", "textbox") and not name]
    landmarks = [name for role, name in named if role == "region"]
    assert len(landmarks) == len(set(landmarks))
    assert any(role == "image" and name.startswith("RPO over the last") for role, name in named)

    # Text keeps a contrast of 4.5 to 1 on what lies behind it, in the light and in the dark.
    for scheme in ("light", "dark"):
        await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for text, ground in (("text", "surface"), ("quiet", "surface"), ("quiet", "ground"), ("accent", "accent-tint")):
            assert await _contrast(tab, text, ground) >= 4.5, (scheme, text, ground)
        for health in ("normal", "warning", "critical"):
            assert await _contrast(tab, health, f"{health}-tint") >= 4.5, (scheme, health)

    # On a narrow screen nothing but the tables scrolls sideways.
    await tab.call("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=True)
    await tab.until("document.documentElement.scrollWidth <= 360")


async def _contrast(tab: Tab, text: str, ground: str) -> float:
    """By the formula of WCAG 2."""
    lights = []
    for name in (text, ground):
        value = (await tab.value(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()")).lstrip("#")
        value = "".join(digit * 2 for digit in value) if len(value) == 3 else value
        parts = [int(value[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        lights.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(lights) + 0.05) / (min(lights) + 0.05)
