"""A peer in words, and what its commands have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from understudy.cli.config_option import config_option
from understudy.cli.words import size
from understudy.config.load import load
from understudy.config.values import Config, Peers
from understudy.engine import Peer
from understudy.engine.units import bytes_of
from understudy.errors import InvalidRequest


def here(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of what is said on the serving site."""
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks."),
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout, errors included."),
        config_option,
    ):
        function = option(function)
    return function


def serving_config(path: str) -> tuple[Config, Peers]:
    """`InvalidRequest` where nobody is served."""
    config = load(Path(path))
    if config.peers is None:
        raise InvalidRequest(
            f"this site serves nobody: there is no [peers] in {path}",
            hint='write it, with listen = "0.0.0.0:8444" and an address, and restart the daemon',
        )
    return config, config.peers


def quota_of(text: str | None) -> int | None:
    return None if text is None else bytes_of(text)


def rights(peer: Peer) -> str:
    return "create, read, delete" if peer.limits.maintenance else "create, read"


def quota(peer: Peer) -> str:
    return size(peer.limits.quota) if peer.limits.quota else "none"


def told(peer: Peer) -> str:
    below = f"below {peer.limits.prefix}/" if peer.limits.prefix else "all that is served"
    return f"it sees {below}; it may {rights(peer)}; quota {quota(peer)}"
