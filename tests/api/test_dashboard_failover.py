"""Failovers in a real browser: what can be done is shown, and done only when that was confirmed."""

import hashlib
from pathlib import Path

import pytest

from tests.api.browser import browsing, certificate, served
from tests.api.fake_service import FakeService
from tests.api.test_dashboard import ENTER, SHOWN
from understudy.api import Settings, Token, make_app


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_what_is_allowed_is_offered_to_who_may_and_done_when_confirmed(tmp_path: Path, service: FakeService, role: str) -> None:
    token = Token(name="anna", role="viewer" if role == "viewer" else "operator", digest=hashlib.sha256(b"secret").hexdigest())
    app = make_app(service, Settings(tokens=(token,)))
    async with served(app, certificate(tmp_path)) as url, browsing(tmp_path / "profile", url) as tab:
        await tab.until('!document.getElementById("login").hidden')
        await tab.value(ENTER.format("secret"))
        await tab.until(SHOWN)
        await tab.until('document.querySelector("#failovers button")')
        await tab.value('document.querySelector("#failovers button").click()')
        await tab.until('document.querySelector("#failovers .quiet")')
        assert "failed over, not committed" in (await tab.texts("#failovers .quiet"))[0]
        offered = await tab.texts("#failovers .buttons button")
        if role == "viewer":
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
