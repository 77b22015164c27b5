"""Recovery plans in a real browser: they are looked at before they are run, and what a run waits for is said where it asks."""

import msgspec

from tests.api.browser import ENTER, SHOWN, Tab
from tests.api.fake_service import FakeService, event
from tests.api.test_dashboard import HOSTILE
from understudy.engine import AnswerStep, StartJob


async def test_a_plan_is_run_and_answered(tab: Tab, service: FakeService) -> None:
    service.ends_at_once = False
    plans = service.engine.plans_now
    first = msgspec.structs.replace(plans.run.steps[0], title=HOSTILE)
    plans.run = msgspec.structs.replace(plans.run, steps=(first, *plans.run.steps[1:]))
    await tab.value(ENTER.format("secret"))
    await tab.until(SHOWN)

    # What there is, and what waits; what others wrote is text.
    assert await tab.texts("#plan-list b") == ["dr"]
    assert "1 group, 1 machine: all, in order" in (await tab.texts("#plan-list .quiet"))[0]
    assert await tab.texts("#runs .steps li > .line span:first-child") == [HOSTILE, "web", "/usr/local/sbin/dns up"]
    assert await tab.texts("#runs .asks") == ["waits to be confirmed"]
    assert await tab.value("document.images.length") == 0

    # It is confirmed with a note, once; what was written before something else changed stays.
    await tab.value("document.querySelector('#runs input').value = 'done by phone'")
    service.tell(event(1, kind="plan.step"))
    plans.run = msgspec.structs.replace(plans.run, reason="another")
    service.tell(event(2, kind="plan.step"))
    await tab.value("new Promise((done) => setTimeout(done, 1000))")
    assert await tab.value("document.querySelector('#runs input').value") == "done by phone"
    await tab.value("document.querySelector('#runs .steps button').click()")
    await tab.until("!document.querySelector('#runs .asks')")
    assert plans.said == [(AnswerStep(reply="confirm", step="1.pre.1", note="done by phone"), "anna")]
    assert "confirm: anna: done by phone" in await tab.texts("#runs .steps .quiet")

    # A run begins after its dry run was shown, with what that said.
    await tab.value("document.querySelector('#plan-list button').click()")
    await tab.until("!document.getElementById('plan-go').disabled")
    assert await tab.texts("#plan-check .failed") == ["there is no program"]
    assert await tab.texts("#plan-go") == ["Run although 1 thing would fail"]
    assert service.started == []
    await tab.value("document.getElementById('plan-kind').value = 'unplanned'")
    await tab.value("document.getElementById('plan-kind').dispatchEvent(new Event('change'))")
    await tab.value("document.getElementById('plan-reason').value = 'fire'")
    await tab.until("!document.getElementById('plan-go').disabled")
    await tab.value("document.getElementById('plan-go').click()")
    await tab.until("!document.getElementById('plan-dialog').open")
    await tab.until("document.querySelector('#jobs b') && document.querySelector('#jobs b').textContent == 'plan'")
    key = service.started[0].key
    parameters = {"kind": "unplanned", "point": "latest", "revision": 4, "cleanup": False, "reason": "fire", "plan": "dr"}
    assert service.started == [StartJob(kind="plan", machine=None, parameters=parameters, actor="anna", key=key)]
    assert key

    # The report is saved as a page of its own.
    await tab.value("window.saved = []; HTMLAnchorElement.prototype.click = function () { window.saved.push([this.download, this.href]) }")
    await tab.value("[...document.querySelectorAll('#runs button')].find((one) => one.textContent == 'Save the report').click()")
    await tab.until("window.saved.length == 1")
    assert await tab.value("window.saved[0][0]") == f"dr-{plans.run.id}.html"
    assert not [line for line in tab.said if "exceptionThrown" in line or "Uncaught" in line]


async def test_who_only_looks_is_offered_nothing_to_do(tab: Tab, service: FakeService) -> None:
    await tab.value(ENTER.format("only looks"))
    await tab.until(SHOWN)
    assert await tab.texts("#plan-list b") == ["dr"]
    assert await tab.texts("#plan-list button") == []
    assert await tab.texts("#runs .buttons button") == ["Save the report"]
    await tab.call("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=True)
    await tab.until("document.documentElement.scrollWidth <= 360")
