"""`understudy peer`: its subcommands by name."""

import click

from understudy.cli.lazy import Entry, LazyGroup

_COMMANDS = {
    "invite": Entry("understudy.cli.peer_invite", "Make a registration key for another site."),
    "join": Entry("understudy.cli.peer_join", "Join the site that made a registration key."),
    "list": Entry("understudy.cli.peer_list", "List the sites that may reach this one's vault."),
    "limit": Entry("understudy.cli.peer_limit", "Change what one of them may do."),
    "revoke": Entry("understudy.cli.peer_revoke", "Let one of them in no more."),
}


@click.command(cls=LazyGroup, entries=_COMMANDS)
def command() -> None:
    """Let other sites reach this one's vault, and join one.

    The daemon of a site with [peers] in its configuration serves its vault, or another store, to its peers over TLS. They name it
    understudy://HOST:PORT wherever a vault is named.
    """
