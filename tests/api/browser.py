"""A headless Chromium, driven over its debugging protocol; and the application where a browser can reach it: on loopback, with TLS.

One browser serves a whole run; each test has a context of its own in it, which remembers nothing."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from understudy.daemon.farewell import TlsListener

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--ignore-certificate-errors"),
    *("--remote-debugging-port=0", "--disable-background-networking", "--disable-dev-shm-usage", "--window-size=1280,900"),
)

SHOWN = '!document.getElementById("shown").hidden && document.getElementById("connection").dataset.state == "live"'
ENTER = 'document.getElementById("token").value = "{}"; document.querySelector("#login form").requestSubmit()'

_WATCHED = """new Promise((resolve) => {
  const look = () => { let value = null; try { value = %s; } catch { value = null; } if (value) { clearInterval(timer); resolve(value); } };
  const timer = setInterval(look, 50);
  look();
})"""


class Tab:
    """One page. What it logs or throws is kept in `said`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())
        self.said: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(120):
            return await self._answers[number]

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Its value when it first is true, which may be before what it speaks of is there."""
        async with asyncio.timeout(20):
            return await self.value(_WATCHED % expression)

    async def texts(self, selector: str) -> list[str]:
        return list(await self.value(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)"))

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            code = {"Tab": 9, "Enter": 13}[key]
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    async def picture(self, path: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    async def _read(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if told.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.said.append(json.dumps(told["params"]))
            answer = self._answers.pop(told.get("id", 0), None)
            if answer is not None:
                answer.set_result(told.get("result", told))


@contextmanager
def chromium(directory: Path) -> Iterator[int]:
    """A new browser, and the port of its debugging protocol. Blocks."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is missing: .ci/prepare guest tests"
    # What it leaves there when it is ended goes with the directory.
    environment = {**os.environ, "TMPDIR": str(directory)}
    words = (program, *_FLAGS, f"--user-data-dir={directory / 'profile'}")
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield _port(directory / "profile" / "DevToolsActivePort")
        finally:
            process.terminate()


@asynccontextmanager
async def browsing(port: int, url: str) -> AsyncIterator[Tab]:
    """A page at `url` in a context of its own, with nothing remembered."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/json/version") as response:
            browser_url = (await response.json(content_type=None))["webSocketDebuggerUrl"]
        async with _attached(session, browser_url) as browser:
            context = (await browser.call("Target.createBrowserContext"))["browserContextId"]
            target = await browser.call("Target.createTarget", url="about:blank", browserContextId=context, width=1280, height=900)
            async with _attached(session, f"/devtools/page/{target['targetId']}") as tab:
                for domain in ("Page", "Runtime", "Log"):
                    await tab.call(f"{domain}.enable")
                await tab.call("Page.navigate", url=url)
                yield tab
            await browser.call("Target.disposeBrowserContext", browserContextId=context)


@asynccontextmanager
async def _attached(session: aiohttp.ClientSession, url: str) -> AsyncIterator[Tab]:
    async with session.ws_connect(url, max_msg_size=0) as socket:
        yield Tab(socket)


def _port(told: Path) -> int:
    """Where the browser listens: it writes that, and then a path, into a file."""
    for _ in range(2400):
        if told.exists() and "/" in told.read_text():
            return int(told.read_text().split()[0])
        time.sleep(0.05)
    raise AssertionError("chromium does not begin")


def certificate(directory: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody else trusts."""
    key, chain = directory / "tls.key", directory / "tls.crt"
    made = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    )
    subprocess.run([*made, "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", chain], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


@asynccontextmanager
async def served(app: web.Application, context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """Its address, on a port that was free. At the end nothing is left open."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    assert runner.server is not None
    if context is None:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
        return
    tls = await TlsListener.begin(runner.server, "127.0.0.1", 0, context)
    try:
        yield f"https://127.0.0.1:{tls.port}"
    finally:
        tls.close()
        await runner.cleanup()
        await tls.closed()
