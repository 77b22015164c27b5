"""The dashboard's part about failovers, as somebody uses it; and a machine of which all can be said that there is to say."""

import json

import msgspec

from tests.api.browser import ENTER, SHOWN, Tab
from tests.api.fake_service import NOW, FakeService, status
from tests.api.fake_standbys import STANDBY
from tests.api.test_dashboard import HOSTILE
from understudy.engine import Reason, StoodDown
from understudy.engine.failover import ReplicaState

SPLIT = Reason(code="split", health="critical", message="site 'host-b' is its primary, and it runs here, too", hint="stop it here at once")
ID = "1d" * 16

_FILL = """(() => {
  const one = [...document.querySelectorAll("#mean label")].find((label) => label.textContent.trim().startsWith(%s)).control;
  if (["radio", "checkbox"].includes(one.type)) { one.click(); return; }
  one.value = %s;
  one.dispatchEvent(new Event("input", { bubbles: true }));
})()"""


def standing(service: FakeService) -> None:
    """It was failed over, runs on two sites, has a standby and a test that stands, and something was put aside."""
    service.ends_at_once = False
    service.machines[0] = status("web", id=ID, health="critical", reasons=(SPLIT,), standby=msgspec.structs.replace(STANDBY, machine_id=ID))
    kept = ReplicaState(run="web-2", status="ended", reason="", point="2" * 32, below=(), kept=True)
    service.standing = {
        "runs": (kept,),
        "stood_down": (StoodDown(site="host-c", epoch=2, running=True, text=HOSTILE, at=NOW),),
        "allowed": ("test", "unplanned", "change-point", "cancel", "commit"),
    }


class Failovers:
    def __init__(self, tab: Tab) -> None:
        self._tab = tab

    async def open(self, secret: str) -> None:
        """As whoever has this token, with every part of the machine unfolded."""
        await self._tab.value(ENTER.format(secret))
        await self._tab.until(SHOWN)
        await self.press("failover web")
        await self._tab.until("document.querySelector('#failovers .part')")
        await self._tab.value("document.querySelectorAll('#failovers .part > summary').forEach((one) => one.click())")

    async def press(self, key: str) -> None:
        """What has this key."""
        found = f"[...document.querySelectorAll('[data-key]')].find((one) => one.dataset.key == {json.dumps(key)})"
        await self._tab.until(found)
        await self._tab.value(f"{found}.click()")

    async def offered(self) -> list[str]:
        return await self._tab.texts("#failovers .buttons button")

    async def said(self) -> str:
        """What the dialog says that will be done."""
        await self._tab.until("document.getElementById('mean').open && document.querySelector('#mean-lines p')")
        return " ".join(await self._tab.texts("#mean-lines p"))

    async def fill(self, label: str, value: str = "") -> None:
        """As somebody who writes there, or chooses, or ticks."""
        await self._tab.value(_FILL % (json.dumps(label), json.dumps(value)))

    async def ready(self) -> bool:
        """Whether it could be begun."""
        return bool(await self._tab.value("!document.getElementById('mean-go').disabled"))

    async def go(self) -> None:
        """It is meant; the daemon took it."""
        await self._tab.value("document.getElementById('mean-form').requestSubmit()")
        await self._tab.until("!document.getElementById('mean').open")
