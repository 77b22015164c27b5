"""Whether this vault's points can be read with the key that opened it."""

from understudy.errors import AccessDenied
from understudy.vault.vault import Vault


def must_hold_the_recovery_key(vault: Vault) -> None:
    """Said before anything is read or written."""
    if not vault.access.recovery_private:
        raise AccessDenied(
            f"the key of {vault.identity.role} {vault.identity.name!r} can replicate, and cannot read recovery points",
            hint="use an operator's key",
        )
