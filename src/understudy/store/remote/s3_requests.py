"""The few requests to an S3 bucket that obstore does not make: versions, and what locks them. Through botocore, in threads."""

import asyncio
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, partial
from hashlib import md5
from typing import Any, TypeVar

from understudy.errors import StoreRefused, StoreUnavailable, Unsupported
from understudy.finish import finish_in_thread
from understudy.store.locks import Lock, Stored, Terms, Version
from understudy.store.remote.credentials import HOW_TO_GIVE, read_credentials
from understudy.store.remote.s3 import S3Keys, base_of, region_of
from understudy.store.url import StoreUrl

T = TypeVar("T")

THREADS = 8
PAGE = 1000
DAY = 86400.0
_CONNECT, _READ = 10, 30
"""Seconds."""
_NONE = {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}
_AGAIN = {"SlowDown", "RequestTimeout", "OperationAborted", "InternalError", "ServiceUnavailable", "RequestTimeTooSkewed", "ExpiredToken"}
_STRICT = "COMPLIANCE"


class S3Requests:
    """Objects below an address's prefix; one request a call, and none is repeated. Names are those of the vault."""

    def __init__(self, url: StoreUrl) -> None:
        """Nothing is asked of the server yet. `Unsupported` without botocore; `StoreRefused` for credentials that cannot be read."""
        self.url = url
        self._prefix = url.path + "/" * bool(url.path)
        self._client = _client(url)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3-locks")

    def key_of(self, name: str) -> str:
        """As the bucket has it, and `page` begins after it."""
        return self._prefix + name

    async def terms(self) -> Terms:
        """`Unsupported` if the bucket has no object lock."""

        def ask() -> Terms:
            answer = self._client.get_object_lock_configuration(Bucket=self.url.place)
            rule = answer.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
            days = rule.get("Days", 0) + 365 * rule.get("Years", 0) if rule.get("Mode") == _STRICT else 0
            return Terms(_now(answer), days * DAY)

        try:
            return await self._run(ask, "the object lock of")
        except _Missing:
            raise Unsupported(
                f"the bucket {self.url.place} has no object lock",
                hint="make a bucket with object lock (aws s3api create-bucket --object-lock-enabled-for-bucket), or turn it on: see "
                "docs/operations.md",
            ) from None

    async def put(self, name: str, data: bytes) -> str:
        """Store without any condition, as a thief would; the version's id, which is empty where versions are not kept."""
        # Amazon wants a checksum of every object that it locks by a rule of the bucket.
        checksum = b64encode(md5(data, usedforsecurity=False).digest()).decode()
        answer = await self._run(
            lambda: self._client.put_object(Bucket=self.url.place, Key=self._prefix + name, Body=data, ContentMD5=checksum),
            f"put {name} into",
        )
        return str(answer.get("VersionId", ""))

    async def get(self, name: str, version: str) -> bytes | None:
        """None if there is no such version."""

        def ask() -> bytes:
            body = self._client.get_object(Bucket=self.url.place, Key=self._prefix + name, VersionId=version)["Body"]
            with body:
                return bytes(body.read())

        try:
            return await self._run(ask, f"get {name} from")
        except _Missing:
            return None

    async def locked(self, name: str, version: str = "") -> Lock | None:
        which = {"VersionId": version} if version else {}
        try:
            answer = await self._run(
                lambda: self._client.head_object(Bucket=self.url.place, Key=self._prefix + name, **which), f"the lock of {name} in"
            )
        except _Missing:
            return None
        until = answer.get("ObjectLockRetainUntilDate")
        return None if until is None else Lock(until.timestamp(), answer.get("ObjectLockMode") == _STRICT)

    async def retain(self, name: str, version: str, until: float, *, strict: bool = True, force: bool = False) -> None:
        """`force`: with whatever right these credentials have to pass locks. `StoreRefused` if that is not allowed."""
        retention = {"Mode": _STRICT if strict else "GOVERNANCE", "RetainUntilDate": datetime.fromtimestamp(until, UTC)}
        extra = {"BypassGovernanceRetention": True} if force else {}
        try:
            await self._run(
                lambda: self._client.put_object_retention(
                    Bucket=self.url.place, Key=self._prefix + name, VersionId=version, Retention=retention, **extra
                ),
                f"lock {name} in",
            )
        except _Missing as error:
            raise StoreRefused(f"lock {name}: {error}", hint="somebody removed it, or the bucket has no object lock any more") from None

    async def remove(self, name: str, version: str = "", *, force: bool = False) -> None:
        """Without a version it is only covered. Nothing happens if it is not there."""
        extra = ({"VersionId": version} if version else {}) | ({"BypassGovernanceRetention": True} if force else {})
        try:
            await self._run(
                lambda: self._client.delete_object(Bucket=self.url.place, Key=self._prefix + name, **extra), f"remove {name} from"
            )
        except _Missing:
            return

    async def copy(self, name: str, version: str) -> None:
        """Lay a version's bytes on top of all there is under its name."""
        source = {"Bucket": self.url.place, "Key": self._prefix + name, "VersionId": version}
        try:
            await self._run(
                lambda: self._client.copy_object(Bucket=self.url.place, Key=self._prefix + name, CopySource=source), f"bring back {name} in"
            )
        except _Missing as error:
            raise StoreRefused(f"bring back {name}: {error}", hint="this version is not there any more") from None

    async def page(self, prefix: str, key: str, version: str) -> tuple[list[Stored], str, str]:
        """Versions of names that start with `prefix`, after `key`, from where the page before has ended (at first two empty strings), and
        where this one ends; a name's may go on in the next."""
        markers = {"KeyMarker": key} if key else {}
        if version:
            markers["VersionIdMarker"] = version
        answer = await self._run(
            lambda: self._client.list_object_versions(Bucket=self.url.place, Prefix=self._prefix + prefix, MaxKeys=PAGE, **markers),
            f"list the versions of {prefix or 'everything'} in",
        )
        more = answer.get("IsTruncated", False)
        found = list(_grouped(answer, len(self._prefix)))
        return found, answer.get("NextKeyMarker", "") if more else "", answer.get("NextVersionIdMarker", "") if more else ""

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def _run(self, call: Callable[[], T], what: str) -> T:
        return await finish_in_thread(partial(_asked, call, f"{what} s3://{self.url.place}/{self._prefix}"), self._threads)


class _Missing(Exception):
    """There is no such object, version or setting."""


def _asked(call: Callable[[], T], what: str) -> T:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        return call()
    except ClientError as error:
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        said = error.response.get("Error", {})
        code, message = str(said.get("Code", "")), str(said.get("Message", "")).rstrip(".")
        words = f"{what}: {': '.join(dict.fromkeys(filter(None, (code, message))))} (HTTP {status})"
        if code == "NoSuchBucket":
            raise StoreRefused(words, hint="make the bucket, and let nobody delete it; understudy makes none") from None
        if status in (404, 405) or code in _NONE:
            raise _Missing(words) from None  # 405: what is seen there is a marker
        if status in (408, 409, 429) or status >= 500 or code in _AGAIN:
            raise StoreUnavailable(
                words, hint="the server has too much to do, or another asked at once; the daemon tries again by itself"
            ) from None
        hint = "these credentials may not do that here: see the rights in docs/operations.md" if status in (401, 403) else ""
        raise StoreRefused(words, hint=hint) from None
    except NoCredentialsError as error:
        raise StoreUnavailable(f"{what}: {error}", hint=HOW_TO_GIVE["s3"]) from None
    except BotoCoreError as error:
        raise StoreUnavailable(f"{what}: {error}", hint="look at the way to it; the daemon tries again by itself") from None


def _client(url: StoreUrl) -> Any:
    """Without credentials in the address botocore looks where the store's do: in the environment, then with the instance's service."""
    try:
        from botocore.config import Config
        from botocore.session import Session
    except ImportError:
        raise Unsupported(
            "objects in S3 are locked by botocore, which is not installed", hint="pip install 'understudy[immutability]'"
        ) from None
    said, region = url.option("credentials"), region_of(url)
    base, path_style = base_of(url, region)
    keys = read_credentials(said, S3Keys) if said else None
    return _session(Session).create_client(
        "s3",
        region_name=region,
        endpoint_url=base,
        verify=url.option("ca") or None,
        aws_access_key_id=keys and keys.access_key_id,
        aws_secret_access_key=keys and keys.secret_access_key,
        aws_session_token=keys and keys.session_token,
        config=Config(
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            max_pool_connections=THREADS,
            retries={"total_max_attempts": 1, "mode": "standard"},
            s3={"addressing_style": "path" if path_style else "virtual"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@cache
def _session(kind: Callable[[], Any]) -> Any:
    """One for all: what it reads of what S3 is takes half a second."""
    session = kind()
    # Whoever reads an address elsewhere must reach the same server: no file beside it says where that is.
    session.set_config_variable("config_file", os.devnull)
    return session


def _now(answer: Any) -> float:
    """By the server's clock: a lock that was made by one that runs ahead could not be taken back."""
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        return parsedate_to_datetime(said).timestamp()
    except ValueError:
        raise StoreUnavailable("the server does not say what time it is", hint="is there a proxy before it that takes Date away?") from None


def _grouped(answer: Any, cut: int) -> Iterator[Stored]:
    found: dict[str, tuple[list[Version], list[Version]]] = {}
    for kind, marker in (("Versions", False), ("DeleteMarkers", True)):
        for entry in answer.get(kind, ()):
            version = Version(
                entry["VersionId"],
                entry["LastModified"].timestamp(),
                entry["IsLatest"],
                marker,
                entry.get("Size", 0),
                entry.get("ETag", ""),
            )
            found.setdefault(entry["Key"][cut:], ([], []))[marker].append(version)
    for name in sorted(found):
        versions, markers = found[name]
        yield Stored(name, tuple(versions), tuple(markers))
