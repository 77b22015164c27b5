"""A machine goes there and back, again and again: `make endure ARGS="rounds 10"`.

After each leg the guest itself tells whether all that it had acknowledged is there and its database is whole; the first point that is made
from there is held against what the guest has changed. With --unplanned its primary is alive, its whole host dies, or its daemon alone, in
turn; then nothing may be missing that was acknowledged before the point was frozen.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.installed import Host
from tests.daemon.observer import all_points
from tests.endurance.guest import Count, Watch, boots, home_of
from tests.endurance.record import Record, must, play, words_of
from tests.live.trial import differing
from tests.live.two_sites import NAME, SiteHouse, sites_of, until
from tests.live.vaults import Kind

PATIENCE = 300.0
ROWS = 30
"""Three seconds', if there is time enough."""
WAYS = ("alive", "host", "daemon")


@dataclass
class Stand:
    """Where the machine is."""

    here: SiteHouse
    there: SiteHouse
    watch: Watch


class Rounds:
    def __init__(self, directory: Path, record: Record, kind: Kind) -> None:
        self.directory = directory
        self.record = record
        self.kind = kind
        self.home = home_of(directory / "h")

    def go(self, rounds: int, unplanned: bool) -> None:
        with sites_of(self.directory, [self.home], self.kind, patience=PATIENCE) as (a, b):
            # It has the vault and its key, and nothing of either site.
            self.third = Host(self.directory / "third", b.host.vault, b.host.key, {"UNDERSTUDY_SITE": "third"}, b.address)
            stand = Stand(a, b, Watch(lambda: self.home.console))
            self.record.say("both sites stand", vault=self.kind)
            try:
                self._writes_on(stand, 0)
                for leg in range(1, 2 * rounds + 1):
                    way = WAYS[(leg - 1) % len(WAYS)] if unplanned else "planned"
                    stand = self.leg(leg, way, stand)
            finally:
                stand.watch.end()

    def leg(self, number: int, way: str, stand: Stand) -> Stand:
        here, there = stand.here, stand.there
        began = time.monotonic()
        if way == "planned":
            done = there.done("failover", {"mode": "planned"})
            must(done["rpo_seconds"] == 0, "a planned failover loses nothing", done)
        else:
            self._befalls(way, stand)
            done = there.done("failover", {"mode": "unplanned"})
        (boot,) = until(lambda: boots(there.console(done["run"])), PATIENCE)
        must(boot.count, "the guest finds its data whole", boot)
        failed_over = time.monotonic() - began
        chosen = self._point(there, done["number"])
        if way == "planned":
            heard = least = stand.watch.end()
            # A last write may have been on the disk before it could say so.
            most = Count(heard.tally + 1, heard.row + 1)
            must(boot.count.tally <= most.tally and boot.count.row <= most.row, "it finds what it wrote, and no more", boot, heard)
        else:
            self._stands_down(way, stand)
            # What a QEMU's console held when it was killed was not heard: it may find more than that.
            heard, least = stand.watch.end(), stand.watch.before(chosen["frozen_at"])
        must(least.tally <= boot.count.tally, "every tally that was acknowledged is there", boot, least, heard)
        must(least.row <= boot.count.row, "every row that was acknowledged is there", boot, least, heard)
        watch = Watch(lambda: there.console(done["run"]))
        try:
            first = self._reprotected(there, done)
            stand = Stand(there, here, watch)
            self._writes_on(stand, boot.count.row)
            self.record.say(
                f"leg {number}",
                way=way,
                to=there.site,
                rpo=done["rpo_seconds"],
                rto=done["rto_seconds"],
                acknowledged=heard,
                before_the_point=least,
                found=boot.count,
                first=first,
                seconds={"failover": round(failed_over, 1), "leg": round(time.monotonic() - began, 1)},
            )
        except BaseException:
            watch.end()
            raise
        return stand

    def _writes_on(self, stand: Stand, row: int) -> None:
        """Some rows more than this one are in a point: there is something that the next leg could lose."""
        stand.here.until(lambda: stand.watch.before(stand.here.machine(NAME)["newest_frozen_at"] or 0).row > row + ROWS)

    def _befalls(self, way: str, stand: Stand) -> None:
        """What happens to the primary."""
        if way == "alive":
            return
        stand.here.end(signal.SIGKILL)
        if way == "host":
            self.home.kill()
            for pid in _processes(stand.here.directory):
                os.kill(pid, signal.SIGKILL)

    def _stands_down(self, way: str, stand: Stand) -> None:
        """The former primary comes back, if it was away, and hears of it."""
        if way != "alive":
            stand.here.start()
        stand.here.until(lambda: "superseded" in {reason["code"] for reason in stand.here.machine(NAME)["reasons"]})
        told = stand.there.until(lambda: stand.there.standing()["stood_down"])
        must(not told[0]["running"], "the former primary does not run", told)

    def _reprotected(self, there: SiteHouse, done: Any) -> dict[str, Any]:
        """Replicated from there, its former site its stand-in. What is told of the first point that was made there."""
        there.done("failover/commit")
        must(there.standing()["runs"][0]["below"] == [], "what is committed needs nothing below", there.standing()["runs"])
        there.done("reprotect")
        there.until(lambda: (state := there.standing())["phase"] == "protected" and state["primary"])
        (asked,) = there.until(lambda: r if (r := there.standing()["requests"]) and r[0]["outcome"] not in ("", "began") else None)
        must((asked["action"], asked["outcome"]) == ("standby", "done"), "its former site becomes its stand-in", asked)
        first = there.until(lambda: next((p for p in all_points(there, NAME)[0] if p["number"] > done["number"]), None))
        must(first["cause"] == "delta", "the first point of the way back is a delta", first)
        changed = self._changed(done["number"], first["number"])
        must(first["changed_blocks"] == changed, "it holds what changed and no more", changed, first)
        kept = ("number", "cause", "scanned_blocks", "changed_blocks", "stored_bytes")
        return {name: first[name] for name in kept} | {"differing": changed}

    def _point(self, site: SiteHouse, number: int) -> Any:
        return next(point for point in all_points(site, NAME)[0] if point["number"] == number)

    def _changed(self, old: int, new: int) -> int:
        """Blocks that differ between two points, by what a third host restores from the vault."""
        contents = [self._restored(number) for number in (old, new)]
        return sum(differing(contents[0][name], contents[1][name]) for name in contents[0])

    def _restored(self, number: int) -> dict[str, bytes]:
        target = self.directory / "restored"
        self.third.run_installed("restore", f"{NAME}@{number}", "--to", str(target))
        found = {path.name: path.read_bytes() for path in target.glob("*.raw")}
        for path in sorted(target.iterdir()):
            path.unlink()
        target.rmdir()
        return found


def _processes(directory: Path) -> list[int]:
    """What runs of a site that has this directory, its daemon aside: its machines, and what serves them."""
    mark, found = f"{directory}/".encode(), []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in line.read_bytes():
                found.append(int(line.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def main() -> None:
    words = words_of(__doc__)
    words.add_argument("rounds", nargs="?", type=int, default=10, help="there and back so often (10)")
    words.add_argument("--vault", choices=("file", "s3", "az", "peer"), default="file")
    words.add_argument("--unplanned", action="store_true")
    asked = words.parse_args()
    if asked.unplanned and asked.vault == "peer":
        words.error("with --vault peer the vault is at site b, which is to die: choose another")
    play("rounds", asked.out, lambda directory, record: Rounds(directory, record, asked.vault).go(asked.rounds, asked.unplanned))


if __name__ == "__main__":
    main()
