"""Where the daemon's configuration is."""

import click

config_option = click.option(
    "--config",
    envvar="UNDERSTUDY_CONFIG",
    show_envvar=True,
    metavar="FILE",
    default="/etc/understudy/understudy.toml",
    show_default=True,
    help="The daemon's configuration.",
)
