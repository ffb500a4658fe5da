"""Git and DVC, called as a person calls them."""

import os
import subprocess


def run(root, *words):
    """Return what a command says, which must succeed."""
    done = subprocess.run(
        words,
        cwd=root,
        env=os.environ | {"DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()
