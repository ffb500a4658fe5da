"""Hashing with all cores, of files that are still being found."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from penstock.artifacts.hashing import LARGE, Crew, digest_files


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """40,000 names of 400 files, enough for other processes to be given some."""
    folder = tmp_path_factory.mktemp("many")
    files = [folder / f"{number}.txt" for number in range(400)]
    for number, path in enumerate(files):
        path.write_bytes(b"x" * number)
    files[7].write_bytes(b"y" * (LARGE + 1))
    files[8].write_bytes(b"z" * (LARGE + 2))
    return files * 100


def test_every_file_gets_its_own_digest_however_many_hash(many: list[Path]) -> None:
    wanted = {
        path: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in set(many[:400])
    }
    with Crew() as crew:
        for start in range(0, len(many), 5_000):
            part = many[start : start + 5_000]
            crew.add([str(path) for path in part], [path.stat().st_size for path in part])
        assert crew.finish() == [wanted[path] for path in many]


def test_a_file_that_is_gone_is_an_error_that_names_it(many: list[Path]) -> None:
    lost = many[0].with_name("lost")
    paths = [str(path) for path in many if path.stat().st_size < LARGE]
    for at in (0, len(paths) // 2, len(paths) - 1):
        with pytest.raises(FileNotFoundError, match="lost"):
            digest_files([*paths[:at], str(lost), *paths[at:]], [1] * (len(paths) + 1))
