"""Rules of the house that no other tool checks: sizes, prints, forbidden words, `__all__`."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "penstock"
FILES = sorted(p for p in SOURCE.rglob("*.py") if "flights" not in p.parts)
MAX_FILE, MAX_FUNCTION = 400, 60
FORBIDDEN = {
    r"\bTODO\b|\bFIXME\b|\bXXX\b": "unfinished work",
    r"NotImplementedError": "a promise instead of a function",
    r"pragma: no cover": "a hole in the coverage",
    r"TYPE_CHECKING": "an import that hides a circle",
    r"# type: ignore(?!\[)": "a type error without its name",
    r"# noqa(?!: [A-Z])": "a rule broken without its name",
}
POOR_NAMES = {"utils", "helpers", "common", "base", "manager", "misc"}


def name(path):
    return path.relative_to(ROOT).as_posix()


def lines_of(function):
    """Lines of a function without its docstring, which may be as long as it likes."""
    total = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        total -= function.body[0].end_lineno - function.body[0].lineno + 1
    return total


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_and_functions_are_small(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE
    long = [
        f"{node.name}: {lines_of(node)} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and lines_of(node) > MAX_FUNCTION
    ]
    assert long == []


def test_no_forbidden_words():
    found = [
        f"{name(path)}:{number}: {why}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for pattern, why in FORBIDDEN.items()
        if re.search(pattern, line)
    ]
    assert found == []


def test_modules_are_named_for_what_they_hold():
    assert [name(path) for path in FILES if path.stem in POOR_NAMES] == []


def test_only_the_command_line_prints_or_exits():
    found = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        # Processes of their own speak to whoever started them.
        if path.relative_to(SOURCE).parts[0] == "cli" or '__name__ == "__main__"' in text:
            continue
        tree = ast.parse(text)
        found += [
            f"{name(path)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("print", "sys.exit", "exit")
        ]
    assert found == [], found


def packages():
    for path in sorted(SOURCE.rglob("__init__.py")):
        if "flights" not in path.parts:
            parts = path.parent.relative_to(SOURCE.parent).parts
            yield ".".join(parts)


@pytest.mark.parametrize("package", list(packages()))
def test_what_a_room_exports_is_there_and_sorted(package):
    module = importlib.import_module(package)
    exported = getattr(module, "__all__", [])
    assert len(set(exported)) == len(exported)
    for one in exported:
        assert getattr(module, one) is not None, one


def test_the_public_interface_is_what_the_package_shows():
    import penstock

    assert set(dir(penstock)) == set(penstock.__all__)
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = penstock.nothing_of_this_name
    assert "pipeline ──► gates ──► registry" in penstock.__doc__


def test_every_module_says_what_it_is_for():
    silent = [
        name(path)
        for path in FILES
        if path.read_text(encoding="utf-8").strip()
        and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []
