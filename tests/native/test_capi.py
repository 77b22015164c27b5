"""The library table: where it comes from, and that what it holds is what it should be."""

import numpy as np
import pytest

from tests.native import samples
from understudy.native import blockhash, capi, encode, layout


def test_the_wheels_are_preferred() -> None:
    capi.bind("wheel")
    assert [library.name for library in capi.libraries()] == ["lz4", "xxhash", "sodium"]
    assert {library.provider for library in capi.libraries()} == {"wheel"}
    assert all(library.version for library in capi.libraries())


def test_the_system_is_the_second_provider(provider: str) -> None:
    assert {library.provider for library in capi.libraries()} == {provider}


def test_suites_name_what_the_library_has(provider: str) -> None:
    assert layout.SUITE_XCHACHA20POLY1305 in capi.suites()
    for suite in (layout.SUITE_XCHACHA20POLY1305, layout.SUITE_AEGIS256):
        if suite in capi.suites():
            assert encode.bounds(suite, 1) == (4096 + {1: 16, 2: 32}[suite], 1)
        else:
            with pytest.raises(capi.ProviderError, match=r"AEGIS-256.*fix: pip install"):
                encode.bounds(suite, 1)


def test_the_wheel_has_both_suites() -> None:
    capi.bind("wheel")
    assert set(capi.suites()) == {layout.SUITE_XCHACHA20POLY1305, layout.SUITE_AEGIS256}


@pytest.mark.parametrize("suite", [0, 3, -1, 255])
def test_an_unknown_suite_is_refused(suite: int) -> None:
    with pytest.raises(ValueError, match="suite"):
        encode.bounds(suite, 1)


def test_an_unknown_provider_is_refused_and_changes_nothing() -> None:
    before = capi.libraries()
    with pytest.raises(ValueError, match="provider"):
        capi.bind("elsewhere")
    assert capi.libraries() == before


def test_a_failed_binding_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    capi.bind("wheel")
    monkeypatch.setitem(capi._SONAMES, "sodium", ("libsodium-that-is-not-there.so.1",))
    with pytest.raises(capi.ProviderError, match=r"sodium: .*libsodium-that-is-not-there.*fix: pip install .*pynacl"):
        capi.bind("system")
    assert {library.provider for library in capi.libraries()} == {"wheel"}
    assert blockhash.sign(samples.zeros(1), samples.SECRET, np.empty((1, 16), np.uint8)) == 1
