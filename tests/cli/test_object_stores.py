"""The whole way with the vault in a bucket and in a container: created, replicated to, read, pruned, and restored from."""

import random
import shlex
from pathlib import Path

import pytest

from tests.cli.installed import Host
from tests.store.servers import Server

MIB = 1 << 20


@pytest.fixture(params=["s3", "az"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    server: Server = request.getfixturevalue(request.param)
    address = server.address(f"cli-{tmp_path.name[:40].strip('_').replace('_', '-')}", tmp_path, "some/prefix")
    return Host(tmp_path / "host", tmp_path / "vault", tmp_path / "operator.key", address=address)


def test_from_a_bucket_and_back(host: Host, tmp_path: Path) -> None:
    chance, image = random.Random(3), tmp_path / "disk.img"
    image.write_bytes(chance.randbytes(3 * MIB) + bytes(MIB))
    host.run("vault", "create", host.url)
    host.run("protect", "web", "--disk", f"vda={image}")
    contents = []
    for _ in range(2):
        with image.open("r+b") as disk:
            disk.seek(chance.randrange(4 * MIB - 300_000))
            disk.write(chance.randbytes(300_000))
        host.run("replicate", "web")
        contents.append(image.read_bytes())
    points = host.json("points", "web")["points"]
    assert len(points) == 2
    for which, content in zip(points, contents, strict=True):
        answer = host.json("restore", f"web@{which['id']}", "--to", str(tmp_path / which["id"]))
        assert [Path(disk["path"]).read_bytes() for disk in answer["disks"]] == [content]
    host.run("verify", "web")
    host.run("collect", "web")
    other = Host(tmp_path / "other", host.vault, host.key, address=host.url)
    assert [point["id"] for point in other.json("points", "web")["points"]] == [point["id"] for point in points]
    other.run("vault", "create", host.url, expect=4)


def test_what_is_to_be_typed_next_can_be(host: Host) -> None:
    """A shell takes the & and ? of an address for something else."""
    host.run("vault", "create", host.url)
    copy = host.url.replace("some/prefix", "second")
    said = host.run("vault", "copy", "create", copy).stdout.splitlines()[-1]
    assert f"--second {shlex.quote(copy)};" in said
    assert said.endswith(f"understudy vault copy run {shlex.quote(copy)}")
    refused = host.run("vault", "promote", host.url, expect=4).stderr
    assert f"understudy vault promote {shlex.quote(host.url)} --vault" in refused
