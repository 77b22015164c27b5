"""A new vault with its first key, or neither."""

from understudy import engine
from understudy.errors import UnderstudyError
from understudy.local.key_files import must_be_kept_apart, new_unlock
from understudy.local.parts import Parts
from understudy.local.site import Site
from understudy.store.protocol import ObjectStore
from understudy.vault.empty import must_be_empty
from understudy.vault.vault import Vault


async def vault_created(parts: Parts, url: str, credential: engine.Credential, site: Site, request: engine.CreateVault) -> Vault:
    """Opened. What a failure leaves, its hint says."""
    directory = parts.vault_directory(url)
    must_be_kept_apart(credential, directory)
    store = parts.make_store(url)
    try:
        # Before a key is made: most of what can be wrong with a place is so with its first request.
        await must_be_empty(store)
        async with new_unlock(credential, directory, lambda: _is_empty(store)) as unlock:
            return await Vault.create(store, unlock, name=request.label, state=site.state)
    except BaseException:
        await store.close()
        raise


async def _is_empty(store: ObjectStore) -> bool:
    """For certain."""
    try:
        await must_be_empty(store)
    except UnderstudyError:
        return False
    return True
