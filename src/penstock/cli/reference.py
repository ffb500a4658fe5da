"""Writes the generated pages of docs/reference, or checks that they are as they would be written.

    $ python -m penstock.cli.reference            # write
    $ python -m penstock.cli.reference --check    # end with 1 where a page is out of date

Pages with prose keep it: what is generated stands below a marker.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from penstock import errors
from penstock.cli.main import COMMANDS, Verbs, cli

MARKER = "<!-- What follows is written by `python -m penstock.cli.reference`. -->\n"
WIDTH = 88


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; end with 1 where a page is old.")
@click.option("--docs", type=click.Path(path_type=Path), default=Path("docs/reference"))
def reference(check: bool, docs: Path) -> None:
    """Write the generated pages of docs/reference."""
    old = {path: text for path, text in pages(docs).items() if _read(path) != text}
    for path, text in old.items():
        click.echo(f"{'out of date' if check else 'written'}: {path}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    sys.exit(1 if check and old else 0)


def pages(docs: Path) -> dict[Path, str]:
    """Return every generated page as it should be."""
    from penstock.cli.errorlist import error_table
    from penstock.config import json_schema

    schema = json_schema()
    found = {
        docs / "penstock.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        docs / "exit-codes.md": _below(docs / "exit-codes.md", exit_codes()),
        docs / "errors.md": _below(docs / "errors.md", error_table()),
        docs / "configuration.md": _below(docs / "configuration.md", configuration(schema)),
        docs / "commands" / "README.md": command_index(),
    }
    for name in COMMANDS:
        try:
            found[docs / "commands" / f"{name}.md"] = command_page(name)
        except errors.StateError as error:
            click.echo(error.message, err=True)
    return found


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _below(path: Path, generated: str) -> str:
    """Return a page with its prose kept and what stands below the marker replaced."""
    prose = _read(path).partition(MARKER)[0]
    return prose + MARKER + "\n" + generated


def command_index() -> str:
    """Return the page that lists all commands."""
    lines = ["# Commands", "", MARKER]
    for section in dict.fromkeys(verb.section for verb in COMMANDS.values()):
        lines += [f"## {section}", ""]
        lines += [
            f"- [`penstock {name}`]({name}.md): {verb.help}"
            for name, verb in COMMANDS.items()
            if verb.section == section
        ]
        lines.append("")
    return "\n".join(lines)


def command_page(name: str) -> str:
    """Return the help of a command, and of those below it."""
    root = click.Context(cli, info_name="penstock", help_option_names=["-h", "--help"])
    command = Verbs.get_command(cli, root, name)
    lines = [f"# penstock {name}", "", MARKER.rstrip()]
    if command is not None:
        for title, text in helps(command, name, root):
            lines += ["", f"## {title}", ""] if title != f"penstock {name}" else [""]
            lines += ["```text", text, "```"]
    return "\n".join(lines) + "\n"


def helps(command: click.Command, name: str, parent: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the path and the help of a command and of all below it."""
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH
    )
    yield context.command_path, command.get_help(context).rstrip()
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            one = command.get_command(context, below)
            if one is not None and not one.hidden:
                yield from helps(one, below, context)


def exit_codes() -> str:
    """Return the table of exit codes."""
    tree = ast.parse(inspect.getsource(errors.ExitCode))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    meaning = {}
    for before, after in pairwise(body):
        if isinstance(before, ast.Assign) and isinstance(after, ast.Expr):
            meaning[ast.unparse(before.targets[0])] = ast.literal_eval(after.value)
    raised = {one.exit_code: one.__name__ for one in errors.PenstockError.__subclasses__()}
    lines = ["| code | name | meaning | raised as |", "|---:|---|---|---|"]
    for code in errors.ExitCode:
        kind = f"`{raised[code]}`" if code in raised else ""
        lines.append(f"| {int(code)} | `{code.name}` | {meaning[code.name]} | {kind} |")
    return "\n".join(lines) + "\n"


def configuration(schema: dict[str, Any]) -> str:
    """Return a table of keys for each section of penstock.yaml."""
    lines = ["## All keys", ""]
    for path, definition in sections("", schema, schema):
        words = definition.get("description", "")
        lines += [f"### {path or 'penstock.yaml'}", "", words, ""] if path else []
        lines += ["| key | written as | default | meaning |", "|---|---|---|---|"]
        required = definition.get("required", ())
        for key, item in definition["properties"].items():
            default = "**needed**" if key in required else _default(item)
            meaning = _cell(item.get("description") or _described(item, schema))
            lines.append(f"| `{key}` | {_cell(form(item, schema))} | {default} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _described(item: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what the section that a key refers to is for."""
    for _, name in referred(item):
        for form_ in schema["$defs"][name]["anyOf"]:
            if "description" in form_:
                return str(form_["description"])
    return ""


def sections(
    path: str, definition: dict[str, Any], schema: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the definition of every section, outer ones first."""
    mapping = next(
        (one for one in definition.get("anyOf", [definition]) if "properties" in one), None
    )
    if mapping is None:
        return
    yield path, mapping
    for key, item in mapping["properties"].items():
        for suffix, name in referred(item):
            if name not in ("Serve", "Rollout") or not path.startswith("environments"):
                below = f"{path}.{key}{suffix}".lstrip(".")
                yield from sections(below, schema["$defs"][name], schema)


def referred(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield how a key refers to other sections: directly, by item or by name."""
    for form_ in (item, *item.get("anyOf", ())):
        if "$ref" in form_:
            yield "", form_["$ref"].rpartition("/")[2]
        for word, suffix in (("items", "[]"), ("additionalProperties", ".*")):
            inner = form_.get(word)
            if isinstance(inner, dict) and "$ref" in inner:
                yield suffix, inner["$ref"].rpartition("/")[2]


def form(item: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return in words how a value is written."""
    if "$comment" in item:
        return str(item["$comment"])
    if "enum" in item:
        return ", ".join(f"`{one}`" for one in item["enum"])
    if "const" in item:
        return f"`{item['const']}`"
    if "anyOf" in item:
        forms = [form(one, schema) for one in item["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(forms))
    if "$ref" in item:
        return "section"
    kind = item.get("type")
    kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
    if kind == "array":
        return f"list of {form(item.get('items', {}), schema)}"
    if kind == "object":
        return f"mapping of name to {form(item.get('additionalProperties', {}), schema)}"
    names = {"string": "text", "integer": "whole number", "number": "number"}
    return names.get(str(kind), "true or false" if kind == "boolean" else "value") + _bounds(item)


def _bounds(item: dict[str, Any]) -> str:
    low, high = item.get("minimum"), item.get("maximum")
    above, below = item.get("exclusiveMinimum"), item.get("exclusiveMaximum")
    parts = [
        f"from {low:g}" if low is not None else f"above {above:g}" if above is not None else "",
        f"to {high:g}" if high is not None else f"below {below:g}" if below is not None else "",
    ]
    said = " ".join(part for part in parts if part)
    return f" {said}" if said else ""


def _default(item: dict[str, Any]) -> str:
    value = item.get("default")
    if value is None or value in ([], {}) or isinstance(value, dict) or value == "":
        return ""
    return f"`{_amount(item.get('$comment'), value)}`"


def _amount(kind: str | None, value: Any) -> str:
    """Return a default as one would write it."""
    if kind == "duration":
        for unit, seconds in (("d", 86_400), ("h", 3600), ("m", 60)):
            if value and value % seconds == 0:
                return f"{value / seconds:g}{unit}"
        return f"{value:g}s"
    if kind == "size":
        return f"{value / 1e6:g}MB" if value else "0B"
    if kind == "percentage":
        return f"{value:g}%"
    if kind == "share":
        return f"{value * 100:g}%"
    return json.dumps(value).strip('"')


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    reference()
