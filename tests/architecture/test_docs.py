"""Docs that cannot lie: every command, setting, exit code and error is in them, as it is."""

import re
import shlex
from pathlib import Path

import click
import pytest

from penstock import plugins
from penstock.cli.errorlist import error_table
from penstock.cli.main import COMMANDS, cli
from penstock.cli.reference import pages
from penstock.config.grammar import Section
from penstock.config.problems import keys_of
from penstock.domain.event import EventType
from penstock.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted([*DOCS.rglob("*.md"), *(p for p in ROOT.glob("*.md"))])
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def name(path):
    return path.relative_to(ROOT).as_posix()


def test_generated_pages_are_up_to_date():
    found = pages(REFERENCE)
    missing = [path for path in found if not path.exists()]
    old = [
        name(path)
        for path, text in found.items()
        if path.exists() and path.name != "errors.md" and path.read_text(encoding="utf-8") != text
    ]
    assert not missing
    assert not old, "renew them: python -m penstock.cli.reference"


def test_every_error_has_a_row():
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| `(\S+)` \|", error_table(), re.MULTILINE)
    assert len(codes) > 100
    assert [code for code in codes if f"| `{code}` |" not in page] == []


def test_every_command_has_a_page_and_help_with_an_example():
    for command_name in COMMANDS:
        page = (REFERENCE / "commands" / f"{command_name}.md").read_text(encoding="utf-8")
        assert f"Usage: penstock {command_name}" in page
        assert re.search(rf"(Examples?:|\$ ).*penstock {command_name}", page, re.DOTALL), (
            command_name
        )


def commands(group, context):
    for below in group.list_commands(context):
        command = group.get_command(context, below)
        inner = click.Context(command, parent=context, info_name=below)
        yield inner.command_path, command
        if isinstance(command, click.Group):
            yield from commands(command, inner)


def test_every_option_of_every_command_has_help():
    found = [
        f"{path} {option.opts[0]}"
        for path, command in commands(cli, click.Context(cli, info_name="penstock"))
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden and not option.help
    ]
    assert found == []


def sections(kind=Section):
    for one in kind.__subclasses__():
        yield one
        yield from sections(one)


@pytest.mark.parametrize("section", list(sections()), ids=lambda one: one.__name__)
def test_every_setting_is_described(section):
    page = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    for key in keys_of(section):
        assert re.search(rf"^\| `{key}` \| [^|]+ \|.*\| \S.* \|$", page, re.MULTILINE), key


def test_every_exit_code_is_described():
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"| {int(code)} | `{code.name}` |" in page


def test_every_event_is_described():
    page = (REFERENCE / "events.md").read_text(encoding="utf-8")
    for event in EventType:
        assert re.search(rf"^\| `{re.escape(event.value)}` \| \S", page, re.MULTILINE), event


def test_every_group_of_extensions_is_described():
    page = (REFERENCE / "extensions.md").read_text(encoding="utf-8")
    for group in plugins.GROUPS:
        assert f"`{group}`" in page, group


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = [
        target
        for target in LINK.findall(text)
        if "://" not in target
        and not target.startswith("mailto:")
        and not (page.parent / target).exists()
    ]
    assert broken == []


def shown_commands():
    """Yield page and words of every `$ penstock ...` in the docs."""
    for page in PAGES:
        for block in CONSOLE.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("$ penstock "):
                    yield name(page), line[2:]


def wrong_words(line):
    """Return the first word of a command line that is not known, None when all is well."""
    words = shlex.split(line, comments=True)
    stop = next((i for i, word in enumerate(words) if word in ("|", ">", "&&", ";", "&")), None)
    command, context = cli, click.Context(cli, info_name="penstock")
    rest = words[1:stop]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        command = command.get_command(context, rest[0])
        if command is None:
            return rest[0]
        context = click.Context(command, parent=context, info_name=rest.pop(0))
    known = {"--help", "-h", "--version"}
    for option in command.get_params(context):
        known |= {*option.opts, *option.secondary_opts}
    used = (word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word))
    return next((word for word in used if word not in known), None)


def test_commands_in_the_docs_exist_with_their_options():
    found = [(page, line, wrong_words(line)) for page, line in shown_commands()]
    assert [one for one in found if one[2] is not None] == []
