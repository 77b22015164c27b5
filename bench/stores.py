"""A vault in each kind of store beside a plain client of the same server, in the same run: `python -m bench.stores [--link] [MIB]`.

The plain client puts and gets objects of 8 MiB, eight at once. With `--link` (takes root) the S3 server is behind 40 ms of round trip and
1 % of loss, and the plain client has one connection, and objects of 1 MiB. There congestion control is one that heeds losses, where the
system lets us choose: another is bounded by this machine's processors instead.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import obstore
from obstore.store import AzureStore, S3Store

from tests.sites.link import ADDRESSES, Line, linked
from tests.store.servers import ACCESS_KEY, ACCOUNT, ACCOUNT_KEY, Server, azurite, s3_server
from understudy.recovery.content import read_point
from understudy.recovery.materialise import materialise
from understudy.recovery.place import Place
from understudy.recovery.verify import verify_points
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.store.opening import open_store
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

MIB = 1 << 20
FAR = Line(delay=0.020, loss=0.01)


async def rate(what: str, mib: int, work: Awaitable[object], beside: float = 0.0) -> float:
    began = time.monotonic()
    await work
    found = mib / (time.monotonic() - began)
    print(f"  {what:28} {found:8.2f} MiB/s" + (f"   x{found / beside:.2f}" if beside else ""), flush=True)
    return found


async def many(work: Callable[[int], Awaitable[object]], count: int, at_once: int) -> None:
    slots = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with slots:
            await work(number)

    await asyncio.gather(*(one(number) for number in range(count)))


def plain_client(kind: str, endpoint: str, container: str) -> S3Store | AzureStore:
    options = {"allow_http": True}
    if kind == "az":
        return AzureStore(container, account_name=ACCOUNT, account_key=ACCOUNT_KEY, endpoint=endpoint, client_options=options)
    keys = {name.replace("-", "_"): value for name, value in ACCESS_KEY.items()}
    return S3Store(container, endpoint=endpoint, region="us-east-1", client_options=options, **keys)


async def plain(client: S3Store | AzureStore, mib: int, size: int, at_once: int) -> tuple[float, float]:
    data = os.urandom(size)
    await obstore.put_async(client, "warm", b"x")

    async def put(number: int) -> None:
        await obstore.put_async(client, f"plain/{number}", data, use_multipart=False)

    async def get(number: int) -> None:
        await (await obstore.get_async(client, f"plain/{number}")).bytes_async()

    count = mib * MIB // size
    return await rate("plain puts", mib, many(put, count, at_once)), await rate("plain gets", mib, many(get, count, at_once))


async def vault_beside(address: str, directory: Path, mib: int, up: float, down: float) -> None:
    disk = directory / "disk"
    with disk.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
    vault = await Vault.create(open_store(address, directory, make=True), KeyFile(bytes(32)), state=directory / "state")
    log = await vault.protect("machine", "here")
    replicator = Replicator(vault, log, BlockSource({"vda": str(disk)}), directory / "machine", "here")
    await replicator.open()
    await rate("the first point of a disk", mib, replicator.cycle(), up)
    await replicator.close()
    history, newest = history_of(vault, log), log.state.newest
    assert newest is not None
    point = newest.point.id.hex()

    async def forgotten(_: str) -> None:
        return None

    content = await read_point(history, point)
    await rate("its restore", mib, materialise(content, {"vda": Place(directory / "restored", "raw")}, forgotten), down)
    await rate("its verification, by digest", mib, verify_points(history, [point], "digest"), down)
    assert (directory / "restored").read_bytes() == disk.read_bytes()
    await vault.close()


async def near(kind: str, server: Server | None, directory: Path, mib: int) -> None:
    print(f"{kind}, {mib} MiB", flush=True)
    if server is None:
        await vault_beside((directory / "vault").as_uri(), directory, mib, 0.0, 0.0)
        return
    server.make("plain")
    up, down = await plain(plain_client(kind, server.endpoint, "plain"), mib, 8 * MIB, 8)
    await vault_beside(server.address("vault", directory), directory, mib, up, down)


async def far(endpoint: str, directory: Path, mib: int) -> None:
    print(f"s3 over {FAR.delay * 2e3:g} ms and {FAR.loss:.0%} loss, {mib} MiB", flush=True)
    keys = directory / "s3.toml"
    keys.touch(mode=0o600)
    keys.write_text("".join(f'{name} = "{value}"\n' for name, value in ACCESS_KEY.items()))
    up, down = await plain(plain_client("s3", endpoint, "plain"), max(2, mib // 16), MIB, 1)
    await vault_beside(f"s3://vault?endpoint={endpoint}&credentials={keys}", directory, mib, up, down)


def over_a_link(mib: int) -> None:
    with linked(FAR) as link:
        for host in ADDRESSES:
            subprocess.run([*link.command(host), "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno"], check=False)
        moto = [*link.command("b"), str(Path(sys.executable).with_name("moto_server")), "-H", ADDRESSES["b"], "-p", "5000"]
        with subprocess.Popen(moto, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
            try:
                endpoint = f"http://{ADDRESSES['b']}:5000"
                making = ["curl", "-s", "--retry", "30", "--retry-delay", "1", "--retry-connrefused", "-o", "/dev/null", "-X", "PUT"]
                for container in ("plain", "vault"):
                    subprocess.run([*link.command("a"), *making, f"{endpoint}/{container}"], check=True)
                subprocess.run([*link.command("a"), sys.executable, "-m", "bench.stores", endpoint, str(mib)], check=True)
            finally:
                server.kill()


def main(arguments: list[str]) -> None:
    mib = int(arguments[-1]) if arguments and arguments[-1].isdecimal() else 0
    if "--link" in arguments:
        over_a_link(mib or 64)
        return
    with tempfile.TemporaryDirectory(prefix="understudy-") as name, ExitStack() as stack:
        root = Path(name)
        if arguments and arguments[0].startswith("http"):
            asyncio.run(far(arguments[0], root, mib))
            return
        for kind, starts in (("file", None), ("s3", s3_server), ("az", azurite)):
            (directory := root / kind).mkdir()
            asyncio.run(near(kind, stack.enter_context(starts(directory)) if starts else None, directory, mib or 256))


if __name__ == "__main__":
    main(sys.argv[1:])
