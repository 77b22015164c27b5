"""A credential that is not there is told as just that: to who reads a vault, an object that is missing would be a vault that is missing."""

from pathlib import Path

import pytest

from understudy.errors import StoreRefused
from understudy.pairing.address import Address
from understudy.pairing.credential import context_of, credential_file


def test_a_site_that_was_not_joined(tmp_path: Path) -> None:
    address = Address("vault.example.net", 7420)
    with pytest.raises(StoreRefused, match=r"has not joined the one at vault\.example\.net:7420") as caught:
        context_of(credential_file(tmp_path, address), address)
    assert "understudy peer invite" in caught.value.hint
    assert "understudy peer join" in caught.value.hint
    assert "it has joined" not in caught.value.hint


@pytest.mark.parametrize("mistyped", [Address("vault.example.net", 7421), Address("other.example.net", 7420)])
def test_the_ones_that_were_joined_are_named(mistyped: Address, tmp_path: Path) -> None:
    joined = credential_file(tmp_path, Address("vault.example.net", 7420))
    joined.parent.mkdir(parents=True)
    joined.touch(0o600)
    with pytest.raises(StoreRefused) as caught:
        context_of(credential_file(tmp_path, mistyped), mistyped)
    assert "it has joined vault.example.net:7420: is the address right?" in caught.value.hint


def test_a_directory_that_was_named_and_has_none(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="has not joined"):
        context_of(tmp_path, Address("vault.example.net", 7420))
