"""What a daemon holds that looks after many machines."""

import re
import tempfile
import time
from pathlib import Path

from bench.growth.figures import Row
from bench.growth.vaults import ONE_OF_MANY
from bench.whole.measure import Cost
from tests.daemon.house import House

CYCLES = 2
PATIENCE = 300.0


def daemon_of(machines: int) -> Row:
    """From its start until each of so many machines has two points, which a daemon makes each second or as soon as it can."""
    with tempfile.TemporaryDirectory(prefix="us-") as name:
        directory = Path(name)
        house = House(directory, {"interval": "1s", "verify-every": "0"}, patience=PATIENCE)
        house.create()
        began = time.monotonic()
        house.start()
        assert house.process is not None
        try:
            for number in range(machines):
                disk = directory / f"{number}.raw"
                disk.write_bytes(number.to_bytes(8, "big") * (ONE_OF_MANY // 8))
                source = {"kind": "block", "disks": {"vda": str(disk)}}
                house.ask("POST", "/v1/machines", {"name": f"vm-{number}", "source": source})
            for number in range(machines):
                house.points(f"vm-{number}", CYCLES)
            return _row(machines, house.process.pid, time.monotonic() - began)
        finally:
            house.end()


def _row(machines: int, pid: int, wall: float) -> Row:
    status = Path(f"/proc/{pid}/status").read_text()
    peak, mapped = (int(re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0]) << 10 for name in ("VmHWM", "RssFile"))
    user, kernel = (int(ticks) / 100 for ticks in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    return Row("machines", machines, "known", "daemon", Cost(wall, user + kernel, kernel, peak), mapped)
