"""Azure Blob Storage."""

import base64
import os
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from obstore.exceptions import BaseError
from obstore.store import AzureStore

from understudy.errors import InvalidRequest
from understudy.store.protocol import Capabilities
from understudy.store.remote.client import CONNECTIONS, client_options, retry_config, server_of
from understudy.store.remote.credentials import FileCredentials
from understudy.store.remote.objects import RemoteStore
from understudy.store.url import StoreUrl

if TYPE_CHECKING:
    from obstore.store import AzureCredential

CAPABILITIES = Capabilities(kind="az", parallel=CONNECTIONS, object_size=16 << 20, billed=True)
_LOOK = "look at the address's options, and at what the environment says by AZURE_STORAGE_…"


class AzureKey(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """What a file of credentials holds: one of the two."""

    account_key: str = ""
    sas_token: str = ""

    def __post_init__(self) -> None:
        if bool(self.account_key) == bool(self.sas_token):
            raise ValueError("one of account-key and sas-token must be given")
        try:
            base64.b64decode(self.account_key, validate=True)
        except ValueError:
            raise ValueError("account-key is not base64, as Azure shows it") from None


def open_azure(url: StoreUrl) -> RemoteStore:
    """Nothing is asked of the server yet. `StoreRefused` for credentials, `InvalidRequest` for what else cannot be used.

    What the environment says but for credentials and the account does not count: an address means the same wherever it is read.
    """
    account = url.option("account") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
    if not account:
        raise InvalidRequest(f"{url} does not say of which storage account", hint="add ?account=NAME, or set AZURE_STORAGE_ACCOUNT_NAME")
    endpoint = url.option("endpoint").rstrip("/") or f"https://{account}.blob.core.windows.net"
    said = url.option("credentials")
    credentials = FileCredentials(said, AzureKey, _given) if said else None
    try:
        store = AzureStore(
            url.place,
            account_name=account,
            endpoint=endpoint,
            use_emulator=False,
            use_fabric_endpoint=False,
            skip_signature=False,
            client_options=client_options(url, endpoint),
            retry_config=retry_config(),
            credential_provider=credentials,
        )
    except (BaseError, ValueError) as error:
        raise InvalidRequest(f"{url}: {error}".partition("\n")[0], hint=_LOOK) from None
    complaint = credentials.complaint if credentials else None
    return RemoteStore(store, CAPABILITIES, server_of(endpoint), f"az://{url.place}", url.path, complaint, advice_on(endpoint, account))


def advice_on(endpoint: str, account: str) -> str:
    """What to write in the place of an endpoint that names the account neither in its host nor at the end of its path; empty if it does.
    A domain of one's own need not: only if such a server does not find the container is this why.
    """
    parts = urlsplit(endpoint)
    if parts.netloc.startswith(f"{account}.") or parts.path.rpartition("/")[2] == account:
        return ""
    return f"an emulator has the account in the path: ?endpoint={parts.scheme}://{parts.netloc}/{account}"


def _given(key: AzureKey, until: datetime) -> "AzureCredential":
    if key.sas_token:
        return {"sas_token": key.sas_token.removeprefix("?"), "expires_at": until}
    return {"access_key": key.account_key, "expires_at": until}
