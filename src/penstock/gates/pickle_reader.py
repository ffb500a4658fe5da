"""Reading a pickle as a program without running it.

An unpickler that imports nothing: each class or function that the pickle asks for is written down
and answered with a lifeless stand-in. So the imports are found wherever they hide: after a raw
array in a joblib file, behind memo tricks, in the second of several pickles.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar

_MAX_PICKLES = 1000
_JOBLIB_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")


@dataclass(slots=True)
class Reading:
    """What a stream of pickles asks for.

    Attributes:
        imports: (module, name) of each class or function.
        pickles: how many ended as they should.
        error: why reading stopped before the end of a pickle, None when it did not.
    """

    imports: set[tuple[str, str]] = field(default_factory=set)
    pickles: int = 0
    error: str | None = None


class Inert:
    """Stands for anything that a pickle asks for; takes all that pickles do and does nothing."""

    __slots__ = ("args", "module", "name", "state")

    def __init__(self, module: str = "", name: str = "", args: tuple[Any, ...] = ()) -> None:
        self.module = module
        self.name = name
        self.args = args
        self.state: Any = None

    def __call__(self, *args: Any, **_more: Any) -> Inert:
        """Answer a call with one more stand-in that remembers the arguments."""
        return Inert(self.module, self.name, args)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        return

    def append(self, value: Any) -> None:
        """Take an item as a list does."""

    def extend(self, values: Any) -> None:
        """Take items as a list does."""

    def add(self, value: Any) -> None:
        """Take an item as a set does."""


# The unpickler in Python, unlike the one in C, lets single instructions be looked at.
_Unpickler: Any = pickle._Unpickler


class _Reader(_Unpickler):  # type: ignore[misc]
    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

    def __init__(self, file: BinaryIO, found: Reading) -> None:
        super().__init__(file, encoding="latin1")
        self._stream = file
        self._found = found

    def find_class(self, module: str, name: str) -> Inert:
        self._found.imports.add((module, name))
        return Inert(module, name)

    def persistent_load(self, _pid: Any) -> Inert:
        return Inert()

    def get_extension(self, code: int) -> None:
        self._found.imports.add(("copyreg", f"extension {code}"))
        self.append(Inert())

    def load_newobj(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self.stack[-1](*args)

    def load_newobj_ex(self) -> None:
        self.stack.pop()
        args = self.stack.pop()
        self.stack[-1] = self.stack[-1](*args)

    def load_build(self) -> None:
        _Unpickler.load_build(self)
        built = self.stack[-1]
        if isinstance(built, Inert) and (built.module, built.name) == _JOBLIB_WRAPPER:
            self._skip_array(built.state)

    def _skip_array(self, state: dict[str, Any]) -> None:
        """Pass over the raw array that joblib writes right after its wrapper."""
        import numpy as np

        kind = state["dtype"]
        if _has_objects(kind):
            self._found.pickles += 1
            _Reader(self._stream, self._found).load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self._stream.read(self._stream.read(1)[0])
        size = int(np.prod(state["shape"], dtype=np.int64)) * np.dtype(kind.args[0]).itemsize
        while size > 0:
            part = self._stream.read(min(size, 2**24))
            if not part:
                raise EOFError("the array ends too early")
            size -= len(part)

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(klass(*args) if isinstance(klass, Inert) else Inert())

    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build


def read_pickles(file: BinaryIO) -> Reading:
    """Read all pickles that stand one after the other in a stream; nothing is run."""
    found = Reading()
    for _ in range(_MAX_PICKLES):
        try:
            _Reader(file, found).load()
        except Exception as error:  # a crafted or broken pickle may raise anything
            found.error = f"{type(error).__name__}: {error}"
            return found
        found.pickles += 1
        following = file.read(1)
        if following != pickle.PROTO:
            return found
        file.seek(-1, 1)
    found.error = f"more than {_MAX_PICKLES} pickles in one file"
    return found


def _has_objects(kind: Any) -> bool:
    """Tell whether a dtype, as read, holds Python objects: those are pickled, not raw."""
    if not isinstance(kind, Inert) or not kind.args:
        raise ValueError("an array without a type")
    if str(kind.args[0]).startswith("O"):
        return True
    fields = kind.state[4] if isinstance(kind.state, tuple) and len(kind.state) > 4 else None
    return any(_has_objects(one[0]) for one in fields.values()) if fields else False
