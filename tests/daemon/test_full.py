"""The state directory's file system is full, also when the daemon begins: nothing is lost, it is told, and all goes on by itself."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.daemon.house import House
from tests.small import PAGE, ROOT, small

MIB = 1 << 20

if ROOT:

    def test_a_full_state_directory_is_told_and_waited_for(short: Path) -> None:
        with small(short / "state", "12m") as state:
            house = House(short)
            house.create()
            house.start()
            try:
                disk = short / "a"
                disk.write_bytes(os.urandom(MIB))
                house.ask("POST", "/v1/machines", {"name": "a", "source": {"kind": "block", "disks": {"vda": str(disk)}}})
                before = house.points("a", 2)["points"]
                with (state.path / "filler").open("wb", buffering=0) as filler, suppress(OSError):
                    # Page by page: the daemon writes, too.
                    while True:
                        filler.write(bytes(PAGE))
                house.ask("POST", "/v1/machines/a/replicate", {}, status=500)
                health = house.until(lambda: found if (found := house.ask("GET", "/v1/health"))["health"] != "normal" else None)
                assert [reason["code"] for reason in health["reasons"]] == ["jobs"]
                house.end(signal.SIGKILL)
                house.start()
                disk.write_bytes(os.urandom(MIB))
                state.empty()
                house.points("a", before + 2)
                house.until(lambda: {house.machine("a")["health"], house.ask("GET", "/v1/health")["health"]} == {"normal"})
                assert not house.events("daemon.fault")
                assert house.end() == 0
                house.host.run("restore", "a@latest", "--to", str(short / "restored"))
                assert (short / "restored" / "vda.raw").read_bytes() == disk.read_bytes()
            finally:
                if house.process is not None:
                    house.end(signal.SIGKILL)
