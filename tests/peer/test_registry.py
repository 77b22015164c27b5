"""Who is let in: keys are used once, in time, by one; any number of processes write at once, and are killed while they do."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.engine import PeerLimits
from understudy.errors import AccessDenied, Conflict, InvalidRequest, NotFound, StateFailed
from understudy.pairing.key import VALID
from understudy.peer.database import FILE
from understudy.peer.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path)
    yield registry
    registry.close()


def test_a_key_lets_one_in_once(registry: Registry) -> None:
    peer, secret = registry.invite("b", PeerLimits(prefix="b", quota=1))
    assert peer.state == "invited"
    assert registry.register(peer.id, secret, "k1").first
    assert registry.admitted(peer.id).limits == PeerLimits(prefix="b", quota=1)
    # Who did not hear the answer asks again, with the same key of its own.
    again = registry.register(peer.id, secret, "k1", now=peer.expires_at - 1)
    assert (again.peer.state, again.first) == ("joined", False)
    with pytest.raises(AccessDenied, match="five days"):
        registry.register(peer.id, secret, "k1", now=peer.expires_at)
    with pytest.raises(AccessDenied, match="was used already") as caught:
        registry.register(peer.id, secret, "k2")
    assert "peer revoke b" in caught.value.hint


def test_the_secret_itself_is_nowhere(registry: Registry, tmp_path: Path) -> None:
    _, secret = registry.invite("b", PeerLimits())
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_an_expired_unknown_or_guessed_key_lets_nobody_in(registry: Registry) -> None:
    peer, secret = registry.invite("b", PeerLimits())
    with pytest.raises(AccessDenied, match="does not know"):
        registry.register("0" * 16, secret, "k")
    with pytest.raises(AccessDenied, match="does not know"):
        registry.register(peer.id, "guessed", "k")
    late = peer.invited_at + int(VALID * 1e9)
    with pytest.raises(AccessDenied, match="five days"):
        registry.register(peer.id, secret, "k", now=late)
    with pytest.raises(AccessDenied):
        registry.admitted(peer.id)
    assert registry.register(peer.id, secret, "k", now=late - 1).peer.state == "joined"


def test_names_are_free_again_after_their_peers_time(registry: Registry) -> None:
    first, _ = registry.invite("b", PeerLimits())
    with pytest.raises(Conflict, match="invited"):
        registry.invite("b", PeerLimits())
    second, _ = registry.invite("b", PeerLimits(), now=first.expires_at + 1)
    assert registry.revoke("b").id == second.id
    with pytest.raises(Conflict, match="was revoked"):
        registry.revoke("b")
    with pytest.raises(Conflict):
        registry.limit(second.id, quota=1)
    with pytest.raises(NotFound):
        registry.revoke("c")
    assert len(registry.peers()) == 2


def test_a_clock_that_was_put_back_hides_nobody_who_is_let_in(registry: Registry) -> None:
    hour, five_days = int(3600e9), int(VALID * 1e9)
    ahead, _ = registry.invite("b", PeerLimits(), now=time.time_ns() + hour)
    registry.revoke("b")
    peer, secret = registry.invite("b", PeerLimits())
    registry.register(peer.id, secret, "k")
    assert [one.id for one in registry.peers()] == [ahead.id, peer.id]
    assert registry.limit("b", quota=5).id == peer.id
    assert registry.revoke("b").id == peer.id
    with pytest.raises(AccessDenied, match="has revoked") as caught:
        registry.admitted(peer.id)
    assert "`understudy peer join --again -`" in caught.value.hint
    # One that has expired does not come back beside its successor.
    old, old_secret = registry.invite("b", PeerLimits())
    new, _ = registry.invite("b", PeerLimits(), now=old.expires_at + 1)
    with pytest.raises(AccessDenied, match="was revoked"):
        registry.register(old.id, old_secret, "k", now=new.invited_at - five_days)
    with pytest.raises(Conflict, match="invited"):
        registry.invite("b", PeerLimits())


@pytest.mark.parametrize("prefix", ["/", "a/", "/a", "..", "a/../b", "A", "a b", "x" * 300])
def test_a_prefix_is_a_name(registry: Registry, prefix: str) -> None:
    with pytest.raises(InvalidRequest):
        registry.invite("b", PeerLimits(prefix=prefix))
    registry.invite("b", PeerLimits())
    with pytest.raises(InvalidRequest):
        registry.limit("b", prefix=prefix)


def test_of_many_who_join_at_once_one_does(tmp_path: Path, registry: Registry) -> None:
    peer, secret = registry.invite("b", PeerLimits())
    joined: list[str] = []
    refused: list[str] = []
    begin = threading.Barrier(8)

    def join(key: str) -> None:
        own = Registry(tmp_path)
        begin.wait()
        try:
            own.register(peer.id, secret, key)
            joined.append(key)
        except AccessDenied:
            refused.append(key)
        finally:
            own.close()

    threads = [threading.Thread(target=join, args=(f"k{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(joined) == 1
    assert len(refused) == 7


INVITING = """
import sys
from pathlib import Path
from understudy.engine import PeerLimits
from understudy.peer.registry import Registry
registry, number = Registry(Path(sys.argv[1])), 0
while True:
    registry.invite(f"{sys.argv[2]}-{number}", PeerLimits())
    print(number, flush=True)
    number += 1
"""


def test_what_was_said_is_there_after_a_kill_and_two_may_say_it_at_once(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", INVITING, str(tmp_path), name], stdout=subprocess.PIPE, text=True) for name in ("a", "b")
    ]
    told = []
    for process in processes:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
    for process in processes:
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        told.append(4 + len(process.communicate()[0].split()))
    registry = Registry(tmp_path)
    for name, count in zip(("a", "b"), told, strict=True):
        there = sum(peer.name.startswith(f"{name}-") for peer in registry.peers())
        assert there in (count, count + 1)
    registry.close()


def test_one_that_is_damaged_is_not_begun_anew(tmp_path: Path) -> None:
    Registry(tmp_path).close()
    (tmp_path / FILE).write_bytes(b"something else" * 1000)
    with pytest.raises(StateFailed) as caught:
        Registry(tmp_path)
    assert "put its directory back from a copy" in caught.value.hint
