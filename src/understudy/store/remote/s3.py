"""Amazon S3, and what speaks its language."""

import os
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from obstore.exceptions import BaseError
from obstore.store import S3Store

from understudy.errors import InvalidRequest, StoreRefused
from understudy.store.protocol import Capabilities
from understudy.store.remote.client import CONNECTIONS, client_options, retry_config, server_of
from understudy.store.remote.credentials import HOW_TO_GIVE, FileCredentials
from understudy.store.remote.objects import RemoteStore
from understudy.store.url import StoreUrl

if TYPE_CHECKING:
    from obstore.store import S3Credential

CAPABILITIES = Capabilities(kind="s3", parallel=CONNECTIONS, object_size=16 << 20, billed=True)
_PAIR = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class S3Keys(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """What a file of credentials holds."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


def open_s3(url: StoreUrl) -> RemoteStore:
    """Nothing is asked of the server yet. `StoreRefused` for credentials, `InvalidRequest` for certificates that cannot be used.

    What the environment says but for credentials and the region does not count: an address means the same wherever it is read.
    """
    region = region_of(url)
    base, path_style = base_of(url, region)
    scheme, host, path = (part := urlsplit(base)).scheme, part.netloc, part.path
    endpoint = base if path_style else f"{scheme}://{url.place}.{host}{path}"
    said = url.option("credentials")
    credentials = FileCredentials(said, S3Keys, _given) if said else None
    if credentials is None and len(given := [name for name in _PAIR if os.environ.get(name)]) == 1:
        raise StoreRefused(f"of {' and '.join(_PAIR)} there is only {given[0]} in the environment", hint=HOW_TO_GIVE["s3"])
    try:
        store = S3Store(
            url.place,
            region=region,
            endpoint=endpoint,
            aws_endpoint_url_s3=endpoint,
            virtual_hosted_style_request=not path_style,
            conditional_put="etag",
            # Amazon wants one of every object that it locks by a rule of the bucket. What is signed is hashed so anyhow.
            checksum_algorithm="SHA256",
            disable_bulk_delete=True,
            skip_signature=False,
            client_options=client_options(url, endpoint),
            retry_config=retry_config(),
            credential_provider=credentials,
        )
    except (BaseError, ValueError) as error:
        raise InvalidRequest(f"{url}: {error}".partition("\n")[0], hint="look at the address's options") from None
    return RemoteStore(store, CAPABILITIES, server_of(base), f"s3://{url.place}", url.path, credentials.complaint if credentials else None)


def region_of(url: StoreUrl) -> str:
    return url.option("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def base_of(url: StoreUrl, region: str) -> tuple[str, bool]:
    """The server's URL without the bucket, and whether the bucket stands in the path: everywhere but at Amazon, and there, too, where
    its name could not be part of a host's that a certificate is for.
    """
    endpoint = url.option("endpoint").rstrip("/")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    style = url.option("path-style")
    return endpoint or f"https://s3.{region}.{suffix}", style == "true" if style else bool(endpoint) or "." in url.place


def _given(keys: S3Keys, until: datetime) -> "S3Credential":
    return {
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
        "token": keys.session_token,
        "expires_at": until,
    }
