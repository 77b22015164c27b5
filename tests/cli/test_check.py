"""Whether a machine could be started here, as a table and as JSON, with an exit code for whoever asks by a script."""

import json

from tests.api.fake_service import FakeService
from tests.cli.conftest import Typed


def test_what_is_told(daemon: FakeService, typed: Typed) -> None:
    done = typed("check", "web")
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "web, which runs at host-b, could be started here; see what is marked" in told
    assert "vault pass it can be read and written drill warn it was never started here for a test start one" in told
    daemon.verdict = "fail"
    assert typed("check", "web").exit_code == 1
    done = typed("check", "web", "--last", "--json")
    assert done.exit_code == 1
    assert [(item["what"], item["verdict"]) for item in json.loads(done.stdout)["items"]] == [("vault", "pass"), ("drill", "fail")]
    assert typed("check", "nobody").exit_code == 3
    assert [action for _, action, _ in daemon.audited] == ["check", "check", "check"]
