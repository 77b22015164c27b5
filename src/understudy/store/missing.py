"""What to look at where an address has no vault. Pure."""

from understudy.store.url import StoreUrl, parse_url


def where_to_look(text: str) -> str:
    """A hint for people. `text`: an address."""
    url = parse_url(text)
    return {"file": _directory, "s3": _bucket, "az": _container, "understudy": _site}[url.kind](url)


def _directory(url: StoreUrl) -> str:
    return "check the address; is the file system mounted?"


def _bucket(url: StoreUrl) -> str:
    return (
        f"it was looked for in bucket {url.place}, {_below(url)}: check both, and whether endpoint or region lead to another server. "
        "If somebody deleted it, in a bucket with object lock it can come back: "
        f"understudy vault uncover --dry-run --vault '{url}' says what of it"
    )


def _container(url: StoreUrl) -> str:
    return (
        f"it was looked for in container {url.place}, {_below(url)}: check both, and the account. "
        "If somebody deleted it, see whether the account keeps what is deleted for a while (soft delete)"
    )


def _site(url: StoreUrl) -> str:
    return (
        f"the site at {url.place} answers, and has no vault where it lets this one look: check the port; there, see this peer's prefix "
        "(`understudy peer list`), and `url` in [peers]"
    )


def _below(url: StoreUrl) -> str:
    return f"below the prefix {url.path}/" if url.path else "without a prefix"
