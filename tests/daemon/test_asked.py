"""Every request is remembered in the words of a command that there is."""

import click

from understudy.api.table import TABLE
from understudy.cli.main import cli
from understudy.daemon.asked import command_of


def test_each_operation_is_told_as_the_command_that_asks_for_it() -> None:
    for route in TABLE:
        if route.changes:
            command: click.Command | None = cli
            for word in command_of(route.name, {}).split():
                assert isinstance(command, click.Group), (route.name, word)
                command = command.get_command(click.Context(command), word)
            assert command is not None, route.name
    assert command_of("failOver", {"mode": "unplanned"}) == "failover unplanned"
    assert command_of("setStandby", {"paused": True}) == "standby pause"
