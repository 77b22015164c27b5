"""What the documented policies let through: all that each site has to do, and nothing of what a thief of its credentials would."""

import json
import random
import re
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.cli.installed import Host
from tests.daemon.house import House
from tests.store.servers import ROOT, Server, iam_server

BUCKET, PREFIX = "backup", "site-a"
POLICIES = ("source", "maintenance", "reader")


def documented() -> dict[str, str]:
    """The policies of docs/operations.md, by who has them, in that order."""
    text = (ROOT / "docs/operations.md").read_text()
    return dict(zip(POLICIES, re.findall(r"```json\n(.*?)```", text, re.S), strict=True))


def client(server: Server, service: str, keys: tuple[str, str] = ("an-id", "a-secret")) -> Any:
    return botocore.session.get_session().create_client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with iam_server(tmp_path) as server:
        yield server


def users(server: Server) -> dict[str, tuple[str, str]]:
    """A user for each policy; from now on nobody else may do anything."""
    iam, found = client(server, "iam"), {}
    for name, policy in documented().items():
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        found[name] = made["AccessKeyId"], made["SecretAccessKey"]
    connection = HTTPConnection("127.0.0.1", server.port)
    connection.request("POST", "/moto-api/reset-auth", body="0")
    assert connection.getresponse().status == 200
    connection.close()
    return found


def refused(attempt: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError) as caught:
        attempt(**arguments)
    assert caught.value.response["Error"]["Code"] == "AccessDenied", (attempt, arguments)


def objects(s3: Any) -> dict[str, str]:
    """All in the bucket with their hashes."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX)
    return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", ())}


def steal(s3: Any, victim: str) -> None:
    """All that a thief might try, with what a source has."""
    inside, outside = {"Bucket": BUCKET, "Key": victim}, {"Bucket": BUCKET, "Key": "site-b/secret"}
    for place in (inside, outside):
        refused(s3.delete_object, **place)
        refused(s3.put_object, **place, Body=b"mine")
        refused(s3.copy_object, **place, CopySource=f"{BUCKET}/{PREFIX}/vault")
        refused(s3.create_multipart_upload, **place)
        refused(s3.put_object_acl, **place, ACL="public-read")
        refused(s3.put_object_tagging, **place, Tagging={"TagSet": []})
    refused(s3.put_object, **outside, Body=b"mine", IfNoneMatch="*")
    refused(s3.get_object, **outside)
    for prefix in ("", "site-", "site-b/"):
        refused(s3.list_objects_v2, Bucket=BUCKET, Prefix=prefix)
    refused(s3.list_objects_v2, Bucket=BUCKET)
    refused(s3.list_object_versions, Bucket=BUCKET, Prefix=PREFIX)
    refused(s3.delete_bucket, Bucket=BUCKET)
    refused(s3.put_bucket_policy, Bucket=BUCKET, Policy=json.dumps({}))
    refused(s3.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    refused(
        s3.put_bucket_lifecycle_configuration,
        Bucket=BUCKET,
        LifecycleConfiguration={"Rules": [{"Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}]},
    )
    swept = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": victim}]})
    assert [error["Code"] for error in swept["Errors"]] == ["AccessDenied"]
    with pytest.raises(ClientError) as caught:
        s3.put_object(**inside, Body=b"mine", IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"


def test_each_site_can_do_its_work_and_a_thief_of_a_sources_credentials_nothing(server: Server, short: Path) -> None:
    server.make(BUCKET)
    client(server, "s3").put_object(Bucket=BUCKET, Key="site-b/secret", Body=b"another site's")
    keys = users(server)

    def host(who: str, role: str) -> Host:
        directory = short / who
        directory.mkdir()
        file = directory / "s3.toml"
        file.touch(mode=0o600)
        file.write_text(f'access-key-id = "{keys[who][0]}"\nsecret-access-key = "{keys[who][1]}"\n')
        address = f"s3://{BUCKET}/{PREFIX}?endpoint={server.endpoint}&credentials={file}"
        return Host(directory, short, short / f"{role}.key", {"UNDERSTUDY_SITE": who}, address)

    keeper, reader = host("maintenance", "operator"), host("reader", "operator")
    keeper.run("vault", "create", keeper.url)
    source_key = short / "source.key"
    keeper.run("vault", "key", "add", "--role", "source", "--label", "source", "--new-key-file", str(source_key))
    given = host("source", "source")
    house = House(given.directory, site="source", address=given.url, shared=given.directory)
    given.key.rename(given.directory / "key")
    house.configure()
    image, chance = short / "disk.img", random.Random(1)
    image.write_bytes(chance.randbytes(1 << 20))
    house.host.run("protect", "web", "--disk", f"vda={image}")
    house.start()
    try:
        house.points("web", 1)
        s3 = client(server, "s3", keys["source"])
        before = objects(s3)
        pack = next(name for name in before if "/packs/" in name)
        for victim in (pack, f"{PREFIX}/vault"):
            steal(s3, victim)
        image.write_bytes(chance.randbytes(1 << 20))
        newest = house.points("web", house.machine("web")["points"] + 2)
        after = objects(s3)
        assert {name: after.get(name) for name in before} == before
        assert (newest["health"], "access" in house.log.lower()) == ("normal", False)
    finally:
        house.end()
    reader.run("restore", "web", "--to", str(short / "restored"))
    assert (short / "restored" / "vda.raw").read_bytes() == image.read_bytes()
    for who, rated, left in ((keeper, True, 0), (given, False, 2)):
        stored = who.json("bench", "--seconds", "1")["measured"]["storing"]
        assert (stored["put_rate"] is not None, len(stored["left"])) == (rated, left)
    keeper.run("retention", "set", "web", "--all-for", "1s")
    keeper.run("prune", "web")
    keeper.run("collect", "web", "--grace", "0")
    keeper.run("verify", "web", "--all")
    assert pack not in objects(client(server, "s3", keys["maintenance"]))
