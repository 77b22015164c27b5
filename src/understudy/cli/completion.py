"""`understudy completion`."""

import click
from click.shell_completion import get_completion_class

from understudy.cli.lazy import COMPLETE

_USE = """Print what makes a shell complete commands, options, and names of machines and jobs.

\b
  bash  understudy completion bash > /etc/bash_completion.d/understudy
  zsh   understudy completion zsh  > "${fpath[1]}/_understudy"
  fish  understudy completion fish > ~/.config/fish/completions/understudy.fish
"""


@click.command("completion", help=_USE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "understudy", COMPLETE).source())
