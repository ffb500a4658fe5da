"""`penstock schema`: what editors need to complete and check penstock.yaml."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, hidden=True, help="It is JSON in any case.")
def schema(as_json: bool) -> None:  # noqa: ARG001 - the answer is JSON with and without it
    """Print the JSON Schema of penstock.yaml.

    Editors with a YAML language server complete and check penstock.yaml by it:

    \b
      $ penstock schema > penstock.schema.json

    and as the first line of penstock.yaml:

    \b
      # yaml-language-server: $schema=penstock.schema.json
    """
    from penstock.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
