"""`understudy check-config`."""

import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import click

from understudy.cli.config_option import config_option
from understudy.cli.credentials import readable_by_others
from understudy.cli.output import Output
from understudy.config.key import key_path
from understudy.config.load import load
from understudy.config.mistakes import Mistakes
from understudy.config.values import ApiConfig, Config
from understudy.errors import InvalidRequest, NotFound, UnderstudyError


@click.command("check-config")
@click.argument("path", required=False, metavar="[PATH]")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout, errors included.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(path: str | None, config: str, as_json: bool, debug: bool) -> None:
    """Read the daemon's configuration, or that at PATH, and say what is wrong with it.

    Looks at the file, and at the files, users and groups that it and its addresses name; opens no vault.
    """
    from understudy.app import must_be_openable, vault_directory

    out, mistakes = Output(as_json), Mistakes()
    config = path or config
    found = load(Path(config), vault_directory)
    # Without the vault nothing is done at all. Without what a second one, or peers, are reached by, machines are protected all the same.
    for key, address in _addresses(found):
        try:
            must_be_openable(address, Path(found.state_dir))
        except UnderstudyError as error:
            if key == "vault.url":
                mistakes.found.append(type(error)(f"{key}: {error.message}", hint=error.hint))
            else:
                out.warn(f"{key}: {error.message}; {error.hint}")
    for key, file in _files(found):
        with mistakes.noted():
            _must_exist(key, file)
    if found.vault.key_file and readable_by_others(found.vault.key_file):
        out.warn(f"vault.key-file: others can read {found.vault.key_file}: chmod 600 it, and change the key if they may have")
    mistakes.tell()
    for stranger in _strangers(found.api):
        out.warn(f"{stranger} on this host, so nobody is let in by it")
    out.document(found)
    out.say(f"{config} is right: site {found.site}, vault {found.vault.url}, state in {found.state_dir}, API at {found.api.socket}")


def _files(found: Config) -> Iterator[tuple[str, Path]]:
    """Those that the daemon reads."""
    if found.vault.key_file or (found.vault.credential and "CREDENTIALS_DIRECTORY" in os.environ):
        yield f"vault.{'key-file' if found.vault.key_file else 'credential'}", key_path(found.vault)
    if found.api.tcp:
        for key in ("certificate", "private_key", "tokens"):
            yield f"api.tcp.{key.replace('_', '-')}", Path(getattr(found.api.tcp, key))
    if found.failover.fence:
        yield "failover.fence", Path(found.failover.fence[0])


def _addresses(found: Config) -> Iterator[tuple[str, str]]:
    """Of stores, by their keys."""
    yield "vault.url", found.vault.url
    if found.policy.second:
        yield "policy.second", found.policy.second
    if found.peers and found.peers.url:
        yield "peers.url", found.peers.url


def _strangers(api: ApiConfig) -> Iterator[str]:
    """Those whom this host does not know: it may come to, so that they are no mistake for certain."""
    for key, people in (("admins", api.admins), ("operators", api.operators), ("viewers", api.viewers)):
        for one in people:
            try:
                grp.getgrnam(one[1:]) if one.startswith("@") else pwd.getpwnam(one)
            except KeyError:
                yield f"api.{key}: there is no {'group' if one.startswith('@') else 'user'} {one.removeprefix('@')}"


def _must_exist(key: str, path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except FileNotFoundError:
        raise NotFound(f"{key}: there is no file {path}") from None
    except OSError as error:
        raise InvalidRequest(f"{key}: {path} cannot be read: {error.strerror}") from None
