"""What every command has in common: the vault, its credential, the state directory, and the form of the answer."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click
from click.core import ParameterSource

from understudy.cli.credentials import asked_passphrase, read_passphrase, readable_by_others
from understudy.cli.daemon import DEFAULT_SOCKET, Daemon
from understudy.cli.output import Output
from understudy.cli.waiting import waiting_told
from understudy.engine import Connection, Credential, Engine, EngineFactory, KeyFile, checked_name
from understudy.errors import DaemonUnavailable, InvalidRequest

P = ParamSpec("P")


@dataclass(frozen=True)
class Session:
    """One command's run: how to reach the engine, and where the answer goes."""

    factory: EngineFactory
    output: Output
    vault: str | None
    key_file: str | None
    passphrase_file: str | None
    state_dir: str
    site: str
    daemon: Daemon
    remote: bool
    """Whether the daemon is asked, rather than the vault opened here."""
    own: str = ""
    """An option on the command line that the daemon, which goes by its own key, state and name, would not heed."""

    def connection(self, *, keyless: bool = False, vault: str | None = None, creates: bool = False) -> Connection:
        """Whom to ask, and with what. `keyless`: a credential is neither needed nor asked for; `vault`: a URL that was given in
        another way; `creates`: a passphrase that is asked for at the terminal is asked for twice."""
        url = vault or self.vault
        if not url:
            raise InvalidRequest(
                f"no vault is named, and no daemon is at {self.daemon.socket}",
                hint="give --vault URL or set UNDERSTUDY_VAULT, such as file:///srv/vault; or begin the daemon: understudy serve",
            )
        credential = None if keyless else self._credential(creates)
        return Connection(vault=url, state_dir=self.state_dir, site=self.site, credential=credential)

    def must_name_a_vault(self, what: str) -> None:
        """For what has the vault opened by a process of its own, with a key that the daemon does not give away."""
        if self.remote:
            raise InvalidRequest(
                f"{what} reads the vault with a key of its own, not through the daemon",
                hint="name the vault and the key: --vault URL --key-file FILE, or UNDERSTUDY_VAULT and UNDERSTUDY_KEY_FILE",
            )

    def engine(self, *, keyless: bool = False) -> AbstractAsyncContextManager[Engine]:
        """The daemon's, or one in this process for this command's own connection."""
        return self.opener(keyless=keyless)()

    def opener(self, *, keyless: bool = False) -> Callable[[], AbstractAsyncContextManager[Engine]]:
        """Opens the engine any number of times, and asks for a credential once."""
        if self.remote:
            if self.own:
                raise InvalidRequest(
                    f"{self.own} goes with --vault: the daemon is asked, which has its own",
                    hint="name the vault as well, to open it in this process; or leave this out",
                )
            return self._remote_engine
        return partial(self.factory, self.connection(keyless=keyless))

    @asynccontextmanager
    async def _remote_engine(self) -> AsyncIterator[Engine]:
        async with self.daemon.opened() as service:
            yield service.engine

    def _credential(self, creates: bool) -> Credential:
        if self.key_file:
            self._warn_of_readers("key file", self.key_file)
            return KeyFile(path=os.path.abspath(self.key_file))
        if self.passphrase_file:
            self._warn_of_readers("passphrase file", self.passphrase_file)
            return read_passphrase(self.passphrase_file)
        instead = "give --key-file or --passphrase-file, or set UNDERSTUDY_KEY_FILE or UNDERSTUDY_PASSPHRASE_FILE"
        return asked_passphrase("Passphrase of the vault", twice=creates, instead=instead)

    def _warn_of_readers(self, what: str, path: str) -> None:
        if readable_by_others(path):
            self.output.warn(f"the {what} {path} can be read by others: chmod 600 it, and change the key if they may have read it")


def default_state_dir() -> str:
    """The site's own directory: root's under /var/lib, anyone else's where XDG puts state."""
    if os.geteuid() == 0:
        return "/var/lib/understudy"
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return str(Path(base) / "understudy")


_ANSWERING = [
    click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout, errors included."),
    click.option("--debug", is_flag=True, help="Show tracebacks."),
]
_OPTIONS = [
    click.option("--vault", envvar="UNDERSTUDY_VAULT", show_envvar=True, metavar="URL", help="The vault, such as file:///srv/vault."),
    click.option("--key-file", envvar="UNDERSTUDY_KEY_FILE", show_envvar=True, metavar="FILE", help="Open the vault with this key file."),
    click.option(
        "--passphrase-file",
        envvar="UNDERSTUDY_PASSPHRASE_FILE",
        show_envvar=True,
        metavar="FILE",
        help="Open the vault with the passphrase on this file's first line.",
    ),
    click.option(
        "--socket",
        "socket_path",
        envvar="UNDERSTUDY_SOCKET",
        show_envvar=True,
        metavar="FILE",
        help=f"Where no vault is named: ask the daemon that listens here, else at {DEFAULT_SOCKET}.",
    ),
    click.option("--state-dir", envvar="UNDERSTUDY_STATE_DIR", show_envvar=True, metavar="DIR", help="This site's own memory."),
    click.option("--site", envvar="UNDERSTUDY_SITE", show_envvar=True, metavar="NAME", help="This site's name; else the host's."),
    *_ANSWERING,
]
_ASKING = [
    click.option(
        "--socket",
        "socket_path",
        envvar="UNDERSTUDY_SOCKET",
        show_envvar=True,
        metavar="FILE",
        help=f"The socket of the daemon, else {DEFAULT_SOCKET}.",
    ),
    *_ANSWERING,
]


def command(function: Callable[Concatenate[Session, P], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make an async command body of a click callback: adds the common options and passes them as one Session."""
    return _decorated(function, _OPTIONS)


def asking(function: Callable[Concatenate[Session, P], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The same for what only a daemon knows; a vault that is named in the environment does not matter to it."""

    @wraps(function)
    async def body(session: Session, /, *args: P.args, **given: P.kwargs) -> None:
        if not session.daemon.is_there():
            raise DaemonUnavailable(
                f"no daemon is at {session.daemon.socket}",
                hint="begin it: understudy serve (`systemctl start understudy`); or name its socket: --socket FILE or UNDERSTUDY_SOCKET",
            )
        await function(session, *args, **given)

    return _decorated(body, _ASKING)


def _decorated(
    function: Callable[Concatenate[Session, P], Coroutine[Any, Any, None]], options: Sequence[Callable[..., Any]]
) -> Callable[..., None]:
    @wraps(function)
    @click.pass_context
    def body(context: click.Context, /, *args: Any, **given: Any) -> None:
        key_file, passphrase_file = _one_of(context, given.pop("key_file", None), given.pop("passphrase_file", None))
        given.pop("debug")
        output = Output(given.pop("as_json"))
        daemon = Daemon(os.path.abspath(given.pop("socket_path") or DEFAULT_SOCKET), output)
        vault = given.pop("vault", None)
        session = Session(
            factory=context.find_root().obj,
            output=output,
            daemon=daemon,
            remote=_is_remote(context, vault, daemon),
            own=_own(context),
            vault=vault,
            key_file=key_file,
            passphrase_file=passphrase_file,
            state_dir=os.path.abspath(given.pop("state_dir", None) or default_state_dir()),
            site=checked_name("site", given.pop("site", None) or socket.gethostname()),
        )

        try:
            with waiting_told(output):
                asyncio.run(function(session, *args, **given))
        finally:
            daemon.tell_what_goes_on()

    decorated: Callable[..., None] = body
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def _is_remote(context: click.Context, vault: str | None, daemon: Daemon) -> bool:
    """A vault that is named is opened here; but a socket on the command line counts before a vault in the environment."""
    typed = {name for name in ("vault", "socket_path") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if typed == {"vault", "socket_path"}:
        raise InvalidRequest("both a vault and a daemon's socket are given", hint="give one of the two")
    named = context.get_parameter_source("socket_path") is ParameterSource.ENVIRONMENT
    return typed == {"socket_path"} or (not vault and (named or daemon.is_there()))


def _own(context: click.Context) -> str:
    """The first option on the command line that says something of this process's own engine; empty without any."""
    names = ("key_file", "passphrase_file", "state_dir", "site")
    typed = (name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE)
    return next((f"--{name.replace('_', '-')}" for name in typed), "")


def _one_of(context: click.Context, key_file: str | None, passphrase_file: str | None) -> tuple[str | None, str | None]:
    """At most one credential: what the command line says counts before what the environment says."""
    if not (key_file and passphrase_file):
        return key_file, passphrase_file
    typed = {name for name in ("key_file", "passphrase_file") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if typed == {"key_file"}:
        return key_file, None
    if typed == {"passphrase_file"}:
        return None, passphrase_file
    raise InvalidRequest("both a key file and a passphrase file are given", hint="give one of the two")
