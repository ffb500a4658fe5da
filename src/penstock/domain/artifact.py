"""Artifacts: bytes with a digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DATA_SET = "dataset"
"""The algorithm of an artifact that is a data set: the version of data kept elsewhere."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file or directory by content, as DVC describes it.

    Attributes:
        path: where it stands, as written by the user (posix, relative to the stage's wdir).
        md5: hex digest of the bytes; of a directory, of its listing, with the suffix ``.dir``.
        size: bytes; of a directory, the sum over its files; -1 where the storage does not say.
        nfiles: number of files, for a directory only.
        isexec: whether the owner may execute it, for a file only.
        algorithm: what `md5` really is. ``md5`` almost always; ``etag`` or ``checksum``, as the
            storage says it, for a file outside the project that is named by a URL;
            ``md5-dos2unix`` for what DVC 2 recorded, with line ends converted; ``dataset`` for a
            data set, of whose state it is a digest.
        dataset: state of a data set (its version, its files), as JSON; "" for anything else.
    """

    path: str
    md5: str
    size: int
    nfiles: int | None = None
    isexec: bool = False
    algorithm: str = "md5"
    dataset: str = ""

    @property
    def is_dir(self) -> bool:
        """Whether the artifact is a directory."""
        return self.md5.endswith(".dir")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values with keys in the order of dvc.lock, absent facts left out."""
        item: dict[str, Any] = {"path": self.path, "md5": self.md5, "size": self.size}
        if self.nfiles is not None:
            item["nfiles"] = self.nfiles
        if self.isexec:
            item["isexec"] = True
        if self.algorithm != "md5":
            item["algorithm"] = self.algorithm
        if self.dataset:
            item["dataset"] = self.dataset
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Artifact:
        """Read what `to_dict` wrote."""
        return cls(
            path=item["path"],
            md5=item["md5"],
            size=item["size"],
            nfiles=item.get("nfiles"),
            isexec=item.get("isexec", False),
            algorithm=item.get("algorithm", "md5"),
            dataset=item.get("dataset", ""),
        )
