"""Who may do what: every role against every route, by socket and by token."""

import hashlib
import os
from pathlib import Path

import aiohttp
import pytest

from tests.api.browser import certificate, served
from tests.api.fake_service import FakeService
from understudy.api import Settings, Token, make_app, renew, tokens_of
from understudy.api.access import Access, Identity, role_of
from understudy.api.peers import Peers
from understudy.api.routes import Route
from understudy.api.table import TABLE
from understudy.errors import InvalidRequest

ROLES: tuple[Access, ...] = ("viewer", "operator", "admin")
PARTS = {
    "machine": "web",
    "job": "j0000",
    "group": "shop",
    "hold": "7c7c",
    "drill": "d" * 32,
    "key": "ops",
    "instant": "e" * 32,
    "orphan": "first",
    "plan": "dr",
    "run": "r1",
}


def token(name: str, role: Access) -> Token:
    return Token(name=name, role=role, digest=hashlib.sha256(f"the secret of {name}".encode()).hexdigest())


TOKENS = tuple(token(role, role) for role in ROLES)


@pytest.fixture
def who(monkeypatch: pytest.MonkeyPatch) -> list[Identity]:
    """Whom the kernel says the caller is."""
    said = [Identity(name="anna", role=None, via="socket")]

    async def by_user(self: Peers, uid: int) -> Identity:
        assert uid == os.getuid()
        return said[0]

    monkeypatch.setattr(Peers, "_by_user", by_user)
    return said


@pytest.mark.parametrize("route", TABLE, ids=lambda route: route.name)
async def test_every_role_against_every_route(
    route: Route, service: FakeService, socket: str, http: aiohttp.ClientSession, who: list[Identity]
) -> None:
    """Denied by default, before anything is read, remembered or done; let in, the request is looked at."""
    path = route.path.format_map(PARTS)
    for role in (None, *ROLES):
        who[0] = Identity(name="anna", role=role, via="socket")
        enough = route.role is None or (role is not None and ROLES.index(role) >= ROLES.index(route.role))
        async with http.request(route.method, path, data=b"{", headers={"Content-Type": "application/json"}) as response:
            if enough:
                assert response.status not in (401, 403), await response.text()
                continue
            assert response.status == 403
            body = await response.json()
        assert body["error"]["code"] == "access_denied"
        assert body["error"].keys() == {"code", "message", "hint", "retryable"}
        assert service.audited == service.started == service.engine.asked == []


def test_the_table_denies_by_default() -> None:
    assert [route.path for route in TABLE if route.role is None] == ["/"]
    assert all(route.role in ("operator", "admin") for route in TABLE if route.changes)
    assert len({route.name for route in TABLE}) == len({(route.method, route.path) for route in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("user", "groups", "role"),
    [
        ("root", (), "admin"),
        ("anna", ("libvirt",), "admin"),
        ("libvirt", (), None),
        ("@libvirt", (), "admin"),
        ("bob", ("backup",), "operator"),
        ("bob", ("backup", "adm"), "operator"),
        ("eve", ("adm",), "viewer"),
        ("eve", (), None),
    ],
)
def test_a_user_has_the_highest_role_that_a_list_gives(user: str, groups: tuple[str, ...], role: Access | None) -> None:
    assert role_of(Settings(operators=("@backup",)), user, groups) == role


async def test_tcp_needs_tls_and_a_token(service: FakeService, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "understudy.api")
    app = make_app(service, Settings(tokens=TOKENS))
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": "Bearer the secret of admin"}
        async with served(app, None) as url, session.get(f"{url}/v1/health", headers=headers) as response:
            assert response.status == 403
            assert "TLS" in await response.text()
        app = make_app(service, Settings(tokens=TOKENS))
        async with served(app, certificate(tmp_path)) as url:

            async def status(secret: str | None, path: str = "/v1/me") -> tuple[int, dict[str, object]]:
                headers = {} if secret is None else {"Authorization": secret}
                async with session.get(f"{url}{path}", headers=headers, ssl=False) as response:
                    if response.status == 401:
                        assert response.headers["WWW-Authenticate"] == "Bearer"
                    return response.status, await response.json()

            for wrong in (None, "", "Bearer", "Bearer nonsense", "Basic dGhlOnNlY3JldA==", f"Bearer {TOKENS[0].digest}"):
                assert (await status(wrong))[0] == 401
            assert await status("bearer the secret of viewer") == (200, {"name": "viewer", "role": "viewer", "via": "token"})
            assert (await status("Bearer the secret of viewer", "/v1/keys"))[0] == 403
            assert (await status("Bearer the secret of admin", "/v1/keys"))[0] == 200
            renew(app, Settings(tokens=TOKENS[:1]))
            assert (await status("Bearer the secret of admin", "/v1/keys"))[0] == 401
            headers = {"Authorization": "Bearer the secret of viewer"}
            async with session.post(f"{url}/v1/scrub", headers=headers, ssl=False) as response:
                assert response.status == 403
    assert "POST /v1/scrub was refused: this needs the role operator, and viewer is viewer" in caplog.messages
    assert "GET /v1/me was refused: this token is not known here" in caplog.messages
    assert "secret" not in caplog.text
    assert TOKENS[0].digest not in caplog.text


async def test_a_page_of_another_site_cannot_lead_a_browser_here(http: aiohttp.ClientSession, service: FakeService) -> None:
    """As where the socket is forwarded to a local port: the browser would have the rights of whoever did that."""
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example:8080"},
        {"Host": "[::1"},
    ):
        async with http.post("/v1/scrub", headers=headers) as response:
            assert response.status in (400, 403), headers
    assert service.started == []
    own = {"Host": "localhost:8080", "Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}
    async with http.post("/v1/scrub", headers=own) as response:
        assert response.status == 202


def test_a_token_file_is_read_line_by_line() -> None:
    digest = "ab" * 32
    assert tokens_of(f"# who\n\n anna admin {digest} \n") == (Token(name="anna", role="admin", digest=digest),)
    for wrong in (
        f"anna king {digest}",
        f"anna admin {digest[:-1]}",
        "anna admin",
        f"a/b admin {digest}",
        f"anna admin {digest}\nanna viewer {'cd' * 32}",
        f"anna admin {digest}\nbob viewer {digest}",
    ):
        with pytest.raises(InvalidRequest, match="token") as refused:
            tokens_of(wrong)
        assert digest not in str(refused.value) + refused.value.hint
