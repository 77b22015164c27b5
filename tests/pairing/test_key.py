import pytest

from understudy.errors import InvalidRequest
from understudy.pairing.address import Address, address_of
from understudy.pairing.key import RegistrationKey, key_of

KEY = RegistrationKey(Address("vault.example.net", 8444), "ab" * 32, "0123456789abcdef", "s3cret")


def test_a_key_is_one_printable_word_and_comes_back() -> None:
    assert str(KEY).isprintable()
    assert len(str(KEY).split()) == 1
    assert key_of(f"  {KEY}\n") == KEY
    assert key_of(str(KEY)[:40] + "\n" + str(KEY)[40:]) == KEY
    assert KEY.secret not in repr(KEY)


def test_each_letter_that_is_wrong_is_noticed() -> None:
    text = str(KEY)
    for place in range(len(text)):
        other = "A" if text[place] != "A" else "B"
        with pytest.raises(InvalidRequest):
            key_of(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "hello", "understudy-1-", "understudy-1-AAAA", "understudy-1-é", str(KEY)[:-1], str(KEY) + "A", str(KEY)[1:]]
)
def test_what_is_no_key_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        key_of(text)
    assert "copy it whole" in caught.value.hint


def test_one_with_a_right_sum_and_nonsense_in_it_is_refused() -> None:
    for bad in (KEY._replace(pin="xyz"), KEY._replace(peer="../../etc")):
        with pytest.raises(InvalidRequest):
            key_of(str(bad))


@pytest.mark.parametrize(
    ("text", "address"), [("host:1", ("host", 1)), ("[::1]:8444", ("::1", 8444)), ("10.0.0.1:65535", ("10.0.0.1", 65535))]
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert address_of(text) == address
    assert str(address_of(text)) == text


@pytest.mark.parametrize(
    "text", ["", "host", ":1", "host:", "host:0", "host:65536", "ho st:1", "a/b:1", "user@host:1", "host:1:2", "host:\u0661"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidRequest):
        address_of(text)
