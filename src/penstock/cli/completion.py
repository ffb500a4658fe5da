"""`penstock completion`: completion of commands and options in the shell."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print completion for SHELL, to be read by it at start.

    \b
      $ eval "$(penstock completion bash)"                                # in ~/.bashrc
      $ eval "$(penstock completion zsh)"                                 # in ~/.zshrc
      $ penstock completion fish > ~/.config/fish/completions/penstock.fish
    """
    from click.shell_completion import get_completion_class

    from penstock.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"click knows no completion for {shell}")
    click.echo(kind(cli, {}, "penstock", "_PENSTOCK_COMPLETE").source())
