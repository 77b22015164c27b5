"""The `understudy` command: its subcommands by name, and one place where every failure becomes words and an exit code."""

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import click

from understudy import __version__
from understudy.cli import stdout
from understudy.cli.failures import exit_codes, reported
from understudy.cli.lazy import COMPLETE, Entry, LazyGroup
from understudy.engine import Connection, Engine
from understudy.errors import InvalidRequest
from understudy.heap import BRIEF, bound
from understudy.leaving import end_process

COMMANDS = {
    "status": Entry("understudy.cli.status", "Show how this host's machines are."),
    "vault": Entry("understudy.cli.vault", "Create a vault, look at it, and manage its keys."),
    "protect": Entry("understudy.cli.protect", "Follow a machine from this host."),
    "unprotect": Entry("understudy.cli.unprotect", "Stop following a machine and leave no trace in it."),
    "replicate": Entry("understudy.cli.replicate", "Make a recovery point, or one each interval."),
    "group": Entry("understudy.cli.group", "Freeze several machines at one instant."),
    "definition": Entry("understudy.cli.definition", "Say what a machine is started from."),
    "network": Entry("understudy.cli.network", "Say what a machine is joined to on this site."),
    "check": Entry("understudy.cli.check", "Say whether a machine could be started on this site."),
    "failover": Entry("understudy.cli.failover", "Start a machine on this site, and what comes after."),
    "reprotect": Entry("understudy.cli.reprotect", "Replicate a machine that was failed over to this site."),
    "isolation": Entry("understudy.cli.isolation", "Say when a machine is paused that is cut off from its vault."),
    "retention": Entry("understudy.cli.retention", "Say which points a machine keeps."),
    "prune": Entry("understudy.cli.prune", "Drop the points that its policy does not keep."),
    "hold": Entry("understudy.cli.hold", "Keep a point whatever the policy says."),
    "points": Entry("understudy.cli.points", "List a machine's recovery points."),
    "restore": Entry("understudy.cli.restore", "Write a point's disks to files or devices."),
    "export": Entry("understudy.cli.export", "Serve a point's disks over NBD, without a restore."),
    "exports": Entry("understudy.cli.exports", "List what is served so."),
    "unexport": Entry("understudy.cli.unexport", "End that."),
    "mount": Entry("understudy.cli.mount", "Show a point's files, to get single ones back."),
    "mounts": Entry("understudy.cli.mounts", "List what is shown so."),
    "unmount": Entry("understudy.cli.unmount", "End that."),
    "test-failover": Entry("understudy.cli.test_failover", "Start a copy of a machine from a point, and look whether it is well."),
    "drill": Entry("understudy.cli.drill", "Look at such tests, and end them."),
    "standby": Entry("understudy.cli.standby", "Keep images of a machine's disks on this host."),
    "orphan": Entry("understudy.cli.orphan", "Look after what a rollback put aside."),
    "seed": Entry("understudy.cli.seed", "Carry a point, or an initial replication, by hand."),
    "verify": Entry("understudy.cli.verify", "Prove points, or a whole vault without any key."),
    "collect": Entry("understudy.cli.collect", "Give back the space that no kept point needs."),
    "usage": Entry("understudy.cli.usage", "Show what machines and points take in the vault."),
    "profile": Entry("understudy.cli.profile", "Say which interval, line and storage a machine needs."),
    "bench": Entry("understudy.cli.bench", "Say what this host, a disk and a vault can do."),
    "wrap": Entry("understudy.cli.wrap", "Make a raw disk keep track of changes over a restart of its VM."),
    "plan": Entry("understudy.cli.plan", "Bring many machines up in order."),
    "policy": Entry("understudy.cli.policy", "Say when and how fast the daemon replicates a machine."),
    "peer": Entry("understudy.cli.peer", "Let other sites reach this one's vault, and join one."),
    "jobs": Entry("understudy.cli.jobs", "List the daemon's long operations."),
    "job": Entry("understudy.cli.job", "Look at, or end, one of them."),
    "events": Entry("understudy.cli.events", "Show what happened, and what happens."),
    "completion": Entry("understudy.cli.completion", "Let a shell complete commands and names."),
    "serve": Entry("understudy.cli.serve", "Run the daemon: machines on their policies, and the API."),
    "check-config": Entry("understudy.cli.check_config", "Say what is wrong with the daemon's configuration."),
    "demo": Entry("understudy.cli.demo", "Replicate a real guest, kill it, and bring it back."),
}


class Understudy(LazyGroup):
    """The top command. Nothing escapes it but SystemExit; click's own way of ending a program knows other codes than ours."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **extra: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        completing = os.environ.get(COMPLETE)
        if completing:
            from click.shell_completion import shell_complete

            sys.exit(shell_complete(self, extra, prog_name or "understudy", COMPLETE, completing))

        def body() -> None:
            _must_be_text(words)
            with self.make_context(prog_name, list(words), **extra) as context:
                self.invoke(context)

        sys.exit(reported(words, body))


@click.command(cls=Understudy, entries=COMMANDS, epilog=exit_codes(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="understudy")
def cli() -> None:
    """A stand-in ready for every virtual machine on this host.

    Commands ask the daemon of this host, where one runs (UNDERSTUDY_SOCKET names its socket). With a vault that is named they open that
    themselves: --vault, or UNDERSTUDY_VAULT, with UNDERSTUDY_KEY_FILE or UNDERSTUDY_PASSPHRASE_FILE, and UNDERSTUDY_STATE_DIR.
    """


def _must_be_text(words: Sequence[str]) -> None:
    """A name in no known encoding could neither be kept nor shown."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"{word!r} is not text in this system's encoding", hint="rename the file") from None


def in_process(connection: Connection) -> AbstractAsyncContextManager[Engine]:
    """The engine inside this process; imported when a command first needs it."""
    from understudy.app import open_engine

    return open_engine(connection)


def run() -> None:
    """The entry point of the installed command."""
    # numpy's library of linear algebra, of which nothing is used, would begin a thread for each core, which spin; and modules are looked
    # through for garbage over and over while they load. Without, `replicate` of a small disk that had not changed took 8 to 17 % less
    # of a processor (in three turns of ten: 694, 663, 634 ms, and 576, 610, 579).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(10_000)
    bound(BRIEF)
    stdout.set_up()
    end_process(lambda: cli.main(prog_name="understudy", obj=in_process))
