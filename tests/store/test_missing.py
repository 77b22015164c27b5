"""Where an address has no vault, the hint says where it was looked for."""

import pytest

from understudy.store.missing import where_to_look


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("file:///srv/vault", ["mounted"]),
        (
            "s3://backup/a/b?endpoint=http://h:1",
            ["bucket backup", "prefix a/b/", "uncover --dry-run --vault 's3://backup/a/b?endpoint=http://h:1'"],
        ),
        ("s3://backup", ["bucket backup", "without a prefix"]),
        ("az://box/a?account=x", ["container box", "prefix a/", "soft delete"]),
        ("understudy://host:8444", ["host:8444", "understudy peer list"]),
    ],
)
def test_where_it_was_looked_for(address: str, said: list[str]) -> None:
    hint = where_to_look(address)
    assert [words for words in said if words not in hint] == []
    assert address.startswith("file:") == ("mounted" in hint)
