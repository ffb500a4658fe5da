"""The scan: what a model's files would run when they are loaded, before anything loads them.

Pickles are read as programs and their imports are judged by picklescan's lists; nothing is
executed. Code that an MLflow model brings along is read as a syntax tree.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.gates.pickles import Finding, dangerous, scan_file
from penstock.gates.source_scan import scan_source

_SHOWN = 3


def scan(model_path: Path, *, allow: Collection[str] = ()) -> Verdict:
    """Judge the files of a model without loading any.

    Args:
        model_path: a directory or a file.
        allow: imports that are trusted although they are on the list, such as
            ``builtins.getattr`` or ``cloudpickle.cloudpickle.*``.

    Returns:
        Failed for an import that can run commands, open files or sockets, or build code, and for
        a pickle that cannot be read to its end. Passed otherwise; what the model's own Python
        code does is told in words and never fails by itself, for that code is in the project.
    """
    start = time.monotonic()
    files = [model_path] if model_path.is_file() else _files(model_path)
    if not files:
        words = f"there is no file to scan at {model_path}"
        return Verdict("model scan", Outcome.ERROR, words, kind="scan")
    found: list[Finding] = []
    pickles = 0
    found += _skops_trust(model_path)
    for file in files:
        name = str(file.relative_to(model_path)) if file != model_path else file.name
        one = scan_source(file, name) if file.suffix == ".py" else scan_file(file, name)
        pickles += one.pickles
        found += one.findings
    verdict = _verdict(found, len(files), pickles, allow)
    return replace(verdict, seconds=time.monotonic() - start)


def _skops_trust(model_path: Path) -> list[Finding]:
    """Judge the types that an MLflow model declares as trusted for its skops files."""
    import yaml

    try:
        meta = yaml.safe_load((model_path / "MLmodel").read_bytes())
        flavors = (meta or {}).get("flavors") or {}
        names = [
            str(name)
            for flavor in flavors.values()
            for name in (flavor or {}).get("skops_trusted_types") or []
        ]
    except (OSError, yaml.YAMLError, AttributeError, TypeError):
        return []
    pairs = {tuple(name.rpartition(".")[::2]) for name in names}
    return [
        Finding("MLmodel", f"{module}.{name}", f"trusts {module}.{name}")
        for module, name in sorted(dangerous((one[0], one[1]) for one in pairs))
    ]


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


def _verdict(found: list[Finding], files: int, pickles: int, allow: Collection[str]) -> Verdict:
    trusted = [one for one in found if one.danger and _allowed(one.what, allow)]
    danger = [one for one in found if one.danger and one not in trusted]
    warnings = [one for one in found if not one.danger]
    details: dict[str, Any] = {
        "danger": [one.to_dict() for one in danger],
        "warnings": [one.to_dict() for one in warnings],
        "trusted": [one.to_dict() for one in trusted],
        "pickles": pickles,
    }
    evidence = Evidence(
        "dangerous imports",
        float(len(danger)),
        threshold=1.0,
        comparison="<",
        n=files,
        method="picklescan",
        details=details,
    )
    if danger:
        shown = "; ".join(f"{one.file}: {one.words}" for one in danger[:_SHOWN])
        more = f" and {len(danger) - _SHOWN} more" if len(danger) > _SHOWN else ""
        return Verdict(
            "model scan",
            Outcome.FAILED,
            f"loading the model could run code: {shown}{more}",
            kind="scan",
            evidence=(evidence,),
            hint=_remedy(danger),
        )
    words = f"{_count(files, 'file')} scanned, {_count(pickles, 'pickle')}; nothing dangerous"
    if trusted:
        words += f" besides {_count(len(trusted), 'import')} that you trust"
    if warnings:
        shown = "; ".join(f"{one.file}: {one.words}" for one in warnings[:_SHOWN])
        words += f". Worth a look: {shown}"
    return Verdict("model scan", Outcome.PASSED, words, kind="scan", evidence=(evidence,))


def _remedy(danger: list[Finding]) -> str:
    if all(one.what.startswith("cloudpickle.") for one in danger):
        return (
            "the model carries a lambda or a function of a script: move it to a module of the "
            "project, or save the model as code (models from code)"
        )
    names = sorted({one.what for one in danger if "." in one.what})
    if not names:
        return "find out what put it there; when it is meant, set `gates: {scan: warn}`"
    return (
        "find out what put it there; when it is meant, trust it in penstock.yaml: "
        f"`gates: {{scan: {{allow: [{', '.join(names)}]}}}}`"
    )


def _allowed(what: str, allow: Collection[str]) -> bool:
    return any(what == one or (one.endswith(".*") and what.startswith(one[:-1])) for one in allow)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
