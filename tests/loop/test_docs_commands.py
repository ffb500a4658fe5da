"""Every command in the docs is run as it stands there (numbers and places made to fit)."""

import re
import shlex
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\s*(?:\$ )?(penstock [a-z].*?)(?:\s+#.*)?$")

FITTED = {
    "penstock report 7 -o v7.html": "penstock report 1 -o v7.html",
    "penstock report --open": "penstock report",
    'penstock report --format markdown -o report.md --link "$ARTIFACT_URL"': (
        "penstock report --format markdown -o report.md --link https://example.org/artifact"
    ),
}
ELSEWHERE = ("penstock demo", "penstock watch", "penstock monitor", "penstock retrain")
"""What takes minutes or for ever, or needs days of traffic: tests of their own run these."""


def documented():
    """Return the commands of all pages but the generated ones."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if "reference/commands" in page.as_posix():
            continue
        for block in FENCE.findall(page.read_text(encoding="utf-8")):
            lines = (COMMAND.match(line) for line in block.splitlines())
            found += [line[1].strip() for line in lines if line]
    return {one for one in found if not one.startswith(ELSEWHERE)}


class Reader:
    """Runs what the docs say, and remembers what was run."""

    def __init__(self, commands, left):
        self.commands = commands
        self.left = set(left)

    def run(self, *wanted, code=0):
        for one in wanted:
            self.left.discard(one)
            words = shlex.split(FITTED.get(one, one))[1:]
            self.commands.penstock(*words, code=code)


def test_commands_of_the_docs_do_what_is_said(mini, live, tmp_path):
    reader = Reader(mini, documented())
    mini.edit("penstock.yaml", "rollout:\n", "rollout:\n  probation: 1s\n")
    remote = tmp_path / "remote"
    subprocess.run(["dvc", "remote", "add", "-q", "-d", "store", remote], cwd=mini.root, check=True)
    mini.commit("A remote")
    adopt(mini, reader)
    reader.run("penstock plan", "penstock run", "penstock run --deploy", "penstock run -j 4")
    mini.commit("Lock")
    write_down_a_schema(mini, reader)
    reader.run(*[one for one in sorted(reader.left) if one.startswith(LOOKING)])
    reader.run("penstock run --push", "penstock run --pull", "penstock replay last")
    mini.edit("params.yaml", "strength: 1.0", "strength: 0.5")
    mini.commit("Regularise more")
    mini.penstock("run")
    with live(mini.url):
        reader.run("penstock deploy")
        wait_for_the_end(mini)
        reader.run("penstock rollback")
        mini.penstock("deploy", "2")
        reader.run('penstock rollback --reason "complaints from the desk"')
    have_a_word_in_it(mini, reader)
    assert not reader.left, "the docs say more than is tried here"


LOOKING = (
    "penstock status",
    "penstock doctor",
    "penstock history",
    "penstock why",
    "penstock report",
    "penstock gates",
)


def adopt(mini, reader):
    """The commands of `penstock init`, on a copy that is not adopted yet."""
    kept = (mini.root / "penstock.yaml").read_text()
    for words in sorted(one for one in reader.left if one.startswith("penstock init")):
        (mini.root / "penstock.yaml").unlink()
        if "churn" in words:
            dvc = (mini.root / "dvc.yaml").read_text()
            stage = "  pickle:\n    cmd: python src/train.py\n    outs: [models/churn.pkl]\n"
            (mini.root / "dvc.yaml").write_text(dvc + stage)
            (mini.root / "data").mkdir(exist_ok=True)
            (mini.root / "data/holdout.csv").write_text("age,churned\n1,0\n2,1\n")
        elif not (mini.root / "data" / "test.csv").exists():
            subprocess.run(["dvc", "repro", "-q"], cwd=mini.root, check=True)
        reader.run(words)
        mini.git("checkout", "-q", "--", "dvc.yaml")
        (mini.root / "data/holdout.csv").unlink(missing_ok=True)
    (mini.root / "penstock.yaml").write_text(kept)
    mini.git("checkout", "-q", "--", ".gitignore")


def write_down_a_schema(mini, reader):
    """Infer a schema, name it in penstock.yaml, and hold the data against it."""
    settings, kept = mini.root / "penstock.yaml", (mini.root / "penstock.yaml").read_text()
    reader.run("penstock gates schema -o data/schema.yaml")
    asked = "gates:\n  data: {schema: data/schema.yaml}\n  conditions:\n"
    mini.edit("penstock.yaml", "gates:\n", asked)
    reader.run("penstock gates schema --check")
    settings.write_text(kept)
    (mini.root / "data/schema.yaml").unlink()


def wait_for_the_end(mini):
    """Let the probation end; it was driven in the background so far."""
    mini.penstock("rollout", "drive")


def have_a_word_in_it(mini, reader):
    """Rollouts that wait for traffic, which nobody sends."""
    mini.penstock("deploy", "2", "--no-wait")
    until_it_steps(mini)
    reader.run(
        'penstock rollout pause --reason "let us look at the answers first"',
        "penstock rollout resume",
        'penstock rollout promote --reason "hotfix, watched by hand"',
        "penstock rollout drive",
        "penstock rollout status --watch",
    )
    mini.penstock("deploy", "1", "--no-wait")
    until_it_steps(mini)
    reader.run('penstock rollout abort --reason "complaints from support"')


def until_it_steps(mini):
    """Wait until the background process has started the challenger."""
    deadline = time.monotonic() + 120
    while mini.ask("status")["rollout"]["phase"] == "starting":
        assert time.monotonic() < deadline
        time.sleep(0.2)
