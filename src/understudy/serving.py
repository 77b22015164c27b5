"""The composition root of the daemon: its API, its hypervisor and what runs on it, over what `app` joins."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from aiohttp import web

from understudy import api, engine
from understudy.app import paced_parts, start_export, stop_export
from understudy.config.values import ApiConfig
from understudy.daemon.serve import Assembly, run
from understudy.errors import InvalidRequest
from understudy.hypervisor.protocol import Hypervisor
from understudy.hypervisor.qemu.driver import QemuHypervisor
from understudy.hypervisor.qemu.readiness import FILES_FROM
from understudy.local.export_beginning import settled as export_settled
from understudy.local.export_file import read_export
from understudy.local.exporting import ended as export_ended
from understudy.replica.exports import Exports
from understudy.replica.replicas import Replicas
from understudy.source.qemu_begin import begin_records
from understudy.store.metered import Tally
from understudy.store.opening import open_store
from understudy.store.url import parse_url


async def serve(path: Path) -> None:
    """The daemon, until a signal ends it. `path`: its configuration."""
    tally = Tally()
    await run(
        path,
        Assembly(
            partial(paced_parts, tally),
            partial(_make_app, tally),
            _renew_app,
            _hypervisor,
            _replicas,
            partial(open_store, tally=tally),
            parse_url,
        ),
    )


def open_replicas(connection: engine.Connection, files_from: Sequence[Path] = ()) -> Replicas:
    """What runs on this host from points of this vault. `files_from`: where else definitions may name firmware and kernels."""
    return _replicas(connection, _hypervisor(Path(connection.state_dir), lambda: files_from))


def _hypervisor(state: Path, files_from: Callable[[], Sequence[Path]]) -> QemuHypervisor:
    return QemuHypervisor(state / "vms", lambda: (*FILES_FROM, *files_from()))


def _replicas(connection: engine.Connection, hypervisor: Hypervisor) -> Replicas:
    state = Path(connection.state_dir)
    served = Exports(
        find=partial(read_export, state),
        start=partial(start_export, connection),
        stop=partial(stop_export, connection, discard=False),
        end=partial(export_ended, state),
        settle=partial(export_settled, state),
    )
    return Replicas(state / "replicas", hypervisor, served, begin_records)


def _make_app(tally: Tally, service: engine.Service, config: ApiConfig) -> web.Application:
    return api.make_app(service, _settings(config), partial(_use_of, tally))


def _use_of(tally: Tally) -> api.StoreUse:
    ended = [api.StoreRequests(*key, count.requests, count.seconds) for key, count in sorted(tally.counts.items())]
    return api.StoreUse(tuple(ended), tally.sent, tally.received)


def _renew_app(app: web.Application, config: ApiConfig) -> None:
    api.renew(app, _settings(config))


def _settings(config: ApiConfig) -> api.Settings:
    tokens = api.tokens_of(_text(Path(config.tcp.tokens))) if config.tcp else ()
    return api.Settings(admins=config.admins, operators=config.operators, viewers=config.viewers, tokens=tokens)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"api.tcp.tokens: {path} cannot be read: {error}") from None
