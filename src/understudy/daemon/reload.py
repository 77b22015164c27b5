"""Taking over a changed configuration while cycles run."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from understudy.config.values import ApiConfig, Config, TcpConfig
from understudy.daemon.certificate import Certificate, read_certificate
from understudy.daemon.logs import set_up
from understudy.daemon.machines import Machines
from understudy.daemon.running import Condition
from understudy.daemon.slots import Slots
from understudy.errors import UnderstudyError
from understudy.jobs.journal import Journal

_FIXED = ("site", "state_dir", "vault", "peers")


@dataclass(frozen=True, slots=True)
class Reload:
    """Called, it reads the file again. One that cannot be meant changes nothing."""

    read: Callable[[], Config]
    condition: Condition
    machines: Machines
    slots: Slots
    journal: Journal
    renew_api: Callable[[ApiConfig], None]
    certificate: Certificate | None

    async def __call__(self) -> None:
        before = self.condition.config
        try:
            config = await asyncio.to_thread(self.read)
            tcp = _kept(before.api.tcp, config.api.tcp)
            context = await asyncio.to_thread(read_certificate, tcp) if tcp else None
            await asyncio.to_thread(self.renew_api, config.api)
        except UnderstudyError as error:
            self._refused(error.message, error.hint)
            return
        except Exception as error:
            # Whatever a file can make of us, the daemon goes on as it is.
            self.journal.fault("the reload broke", error)
            self._refused(f"a fault in understudy: {error}", "the log has the traceback")
            return
        fixed = [name for name in _FIXED if getattr(config, name) != getattr(before, name)]
        if self.certificate is not None and context is not None:
            self.certificate.use(context)
        if (config.api.socket, config.api.tcp) != (before.api.socket, tcp):
            fixed.append("api")
        kept = {name: getattr(before, name) for name in _FIXED}
        api = msgspec.structs.replace(config.api, socket=before.api.socket, tcp=tcp)
        self.condition.config = msgspec.structs.replace(config, **kept, api=api)
        self.condition.reload = ""
        set_up(config.log)
        self.slots.limits = config.limits
        self.slots.pump()
        self.machines.set_default(config.policy)
        self.condition.restart = ", ".join(name.replace("_", "-") for name in fixed)
        self.journal.tell("config.loaded", "info", "the configuration was reloaded")
        if fixed:
            message = f"changes of {self.condition.restart} hold after a restart of the daemon"
            self.journal.tell("config.restart", "warning", message)

    def _refused(self, why: str, hint: str) -> None:
        self.condition.reload = why
        self.journal.tell("config.refused", "error", f"the configuration was not reloaded: {why}", data={"hint": hint})


def _kept(before: TcpConfig | None, now: TcpConfig | None) -> TcpConfig | None:
    """How it goes on: where it listens changes with a restart alone; its certificate, key and tokens at once."""
    if before is None or now is None:
        return before
    return msgspec.structs.replace(now, host=before.host, port=before.port)
