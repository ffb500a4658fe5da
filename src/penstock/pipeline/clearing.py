"""What happens to outputs before a stage runs."""

from __future__ import annotations

import shutil
from pathlib import Path

from penstock.artifacts import Store
from penstock.domain.pipeline import Stage
from penstock.errors import Span, StageError
from penstock.pipeline.addresses import is_url
from penstock.pipeline.places import remove


def clear(store: Store, root: Path, stage: Stage) -> None:
    """Remove outputs (DVC does so too), and make room for new ones."""
    wdir = root / stage.wdir
    if not wdir.is_dir():
        raise StageError(
            f"the working directory {stage.wdir} of stage {stage.address} does not exist",
            code="stage.no-wdir",
            span=Span(*stage.place),
        )
    for out in stage.outs:
        if is_url(out.full):
            if not out.persist:
                remove(store, out.full)
            continue
        path = root / out.full
        try:
            if out.persist:
                if path.is_symlink() or path.is_file():
                    _unprotect(path)
            elif path.is_symlink() or path.is_file():
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
        except OSError as error:
            raise StageError(
                f"cannot remove the old output {out.path}: {error.strerror}",
                code="stage.output-locked",
                span=Span(*out.place),
                hint="may you write in its directory? remove it by hand otherwise",
            ) from error
        path.parent.mkdir(parents=True, exist_ok=True)


def _unprotect(path: Path) -> None:
    """Make a linked, read-only file one of its own, so that the stage may add to it."""
    if path.exists() and (path.is_symlink() or path.stat().st_nlink > 1):
        temporary = path.with_name(f".{path.name}.penstock")
        shutil.copyfile(path, temporary)
        temporary.replace(path)
    if path.exists():
        path.chmod(path.stat().st_mode | 0o200)
