"""Killed at any instant, or out of room: nothing that is there is wrong."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

from penstock.artifacts import Store

SAVER = """
import sys
from pathlib import Path
from penstock.artifacts import Store
root = Path(sys.argv[1])
store = Store.open(root)
print("ready", flush=True)
while True:
    artifact = store.hash(root / "data", name="data")
    store.save(root / "data", artifact)
    store.checkout(artifact, root / "copy")
    print("round", flush=True)
    for number, path in enumerate(sorted((root / "data").iterdir())):
        if number % 3 == 0:
            path.unlink()
            path.write_bytes(path.name.encode() + artifact.md5.encode() * 400)
"""

FILLER = """
import resource, sys
from pathlib import Path
from penstock.artifacts import Store
from penstock.errors import UnavailableError
root = Path(sys.argv[1])
store = Store.open(root)
artifact = store.hash(root / "big", name="big")
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    store.save(root / "big", artifact)
except UnavailableError as error:
    print(error.code)
"""


def every_object_is_right(cache):
    wrong = []
    for path in (cache / "files" / "md5").rglob("*"):
        if path.is_file():
            digest = (path.parent.name + path.name).removesuffix(".dir")
            if hashlib.md5(path.read_bytes()).hexdigest() != digest:
                wrong.append(path)
    return wrong == []


def test_killed_at_any_instant(project):
    root = project.root
    (root / ".dvcignore").unlink()
    (root / "data").mkdir()
    for number in range(60):
        (root / "data" / f"{number}").write_bytes(b"%d" % number * 3000)
    chance = random.Random(7)
    for turn in range(25):
        kind = ["copy", "hardlink", "symlink"][turn % 3]
        (root / ".dvc" / "config").write_text(f"[cache]\n    type = {kind}\n")
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, os.fspath(root)], stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"ready\n"
        if turn % 2:
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert every_object_is_right(root / ".dvc" / "cache")
        store = Store.open(root)
        artifact = store.hash(root / "data", name="data")
        again = hashlib.md5(
            "".join(
                hashlib.md5(path.read_bytes()).hexdigest()
                for path in sorted((root / "data").iterdir())
            ).encode()
        ).hexdigest()
        store.save(root / "data", artifact)
        store.checkout(artifact, root / "copy")
        assert store.hash(root / "copy", name="data") == artifact
        for path in sorted((root / "data").iterdir()):
            assert (root / "copy" / path.name).read_bytes() == path.read_bytes(), again
        store.close()


def test_a_disk_without_room(project):
    root = project.root
    (root / "big").write_bytes(os.urandom(3 << 20))
    done = subprocess.run(
        [sys.executable, "-c", FILLER, os.fspath(root)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "artifacts.disk-full\n"
    assert every_object_is_right(root / ".dvc" / "cache")
    assert list((root / ".dvc" / "cache" / "penstock-tmp").iterdir()) == []
    store = Store.open(root)
    artifact = store.hash(root / "big", name="big")
    store.save(root / "big", artifact)
    assert store.has(artifact)
    store.close()
