"""Whoever begins at a trim folds the rest into what the whole log says: by the pure fold, at random."""

import random

import msgspec

from tests.vault.worlds import a_point
from understudy.vault import kinds
from understudy.vault.log.fold import Folder
from understudy.vault.log.judge import Record
from understudy.vault.log.keeping import NOTHING, Attached, needed
from understudy.vault.log.trim_state import decode_state, encode_state


def test_beginning_at_a_trim_is_reading_it_all() -> None:
    """At random, by the pure fold: whoever begins anywhere at or before a trim's number ends in the same state."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    for _ in range(60):
        records, folder = random_log(rng)
        trims = folder.state().trims
        if not trims:
            continue
        trim = trims[-1]
        before = Folder("ab" * 16)
        for record, attached in records[: trim.up_to]:
            before.take(record, attached)
        at = Folder("ab" * 16)
        for record, attached in records[: trim.seq - 1]:
            at.take(record, attached)
        state = decode_state(encode_state(before.trim_state(at.state().maps)))
        resumed = Folder.resume("ab" * 16, state)
        for record, attached in records[trim.up_to :]:
            resumed.take(record, attached)
        assert resumed.state() == folder.state(), f"seed {seed}"


def random_log(rng: random.Random) -> tuple[list[tuple[Record, Attached]], Folder]:
    folder = Folder("ab" * 16)
    records: list[tuple[Record, Attached]] = []
    writer = b"w" * 16

    def say(body: kinds.Body, attached: Attached = NOTHING) -> None:
        seq = len(records) + 1
        epoch = max(1, folder.state().epoch)
        record = Record(seq, rng.randbytes(32), b"s" * 32, "operator", body.kind, epoch, writer, seq, body)
        records.append((record, attached))
        folder.take(record, attached)

    say(kinds.Protect(name="web", site="here"))
    say(kinds.Claim(site="here"))
    ref = kinds.ObjectRef(hash=bytes(32), size=1)
    for _ in range(rng.randrange(20, 120)):
        state = folder.state()
        some = [entry.point.id for entry in state.entries] or [b"x" * 16]
        match rng.randrange(15):
            case 0:
                writer = rng.randbytes(16)
                say(kinds.Claim(site=rng.choice(["here", "there"])))
            case 1:
                say(kinds.Prune(points=tuple(rng.sample(some, rng.randrange(1, min(4, len(some)) + 1)))))
            case 2:
                say(kinds.Hold(id=rng.choice([b"1" * 16, b"2" * 16]), point=rng.choice(some), reason="", lifted=rng.random() < 0.5))
            case 3:
                say(kinds.Verified(point=rng.choice(some)))
            case 4 if state.entries:
                horizon = rng.choice(state.entries).seq
                maps = [
                    kinds.Checkpoint(point=entry.point.id, id=b"c" * 16, size=1, directory=(0, 1))
                    for entry in needed(state.entries, state.dropped, horizon)
                ]
                say(kinds.Repack(horizon=horizon, maps=ref), Attached(maps=tuple(maps)))
            case 5 if state.horizon > 2:
                say(kinds.Trim(up_to=rng.randrange(1, state.horizon + 2), hash=bytes(32), state=ref))
            case 6:
                say(kinds.Condemn(objects=ref, grace=1), Attached(names=frozenset({f"packs/{rng.randbytes(16).hex()}"})))
            case 7:
                bodies = (kinds.Intent(id=rng.randbytes(16)), kinds.Retention(daily=rng.randrange(5)), kinds.Definition(definition=ref))
                say(rng.choice(bodies))
            case 8 if rng.random() < 0.4:
                point = rng.choice([b"", *some])
                say(kinds.Failover(epoch=state.epoch + 1, site=rng.choice(["here", "there"]), point=point, mode="unplanned"))
            case 10:
                asked = [*(request.id for request in state.authority.requests), rng.randbytes(16)]
                bodies = (
                    kinds.Commit(epoch=state.epoch),
                    kinds.Request(id=rng.choice(asked), action="shutdown", site="here", by="there", cancelled=rng.random() < 0.5),
                    kinds.Answer(id=rng.choice(asked), outcome=rng.choice(["began", "done"])),
                    kinds.Withdraw(point=state.authority.final or b"x" * 16),
                    kinds.Isolation(after=rng.randrange(100)),
                    kinds.StandDown(site=rng.choice(["here", "there"]), epoch=state.epoch, running=rng.random() < 0.5, text=""),
                )
                say(rng.choice(bodies))
            case 9 if state.entries:
                say(kinds.Checkpoint(point=rng.choice(some), id=b"c" * 16, size=1, directory=(0, 1), repack=state.repack))
            case 11:
                id_ = bytes([rng.randrange(20)]) * 16
                say(kinds.Drill(id=id_, point=rng.choice(some), site="there", began_at=len(records), seconds=1.5, outcome="passed"))
            case _:
                newest = state.newest
                point_ = a_point(rng.randbytes(16), newest.point.id if newest else b"")
                say(msgspec.structs.replace(point_, frozen_at=len(records), final=rng.random() < 0.05))
    return records, folder
