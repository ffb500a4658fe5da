"""Extensions: found by name, imported when used, and said plainly when missing or broken."""

import subprocess
import sys

import pytest

from penstock import plugins
from penstock.errors import ExitCode, PluginError

ENTRY_POINTS = """\
[penstock.test-kinds]
decoder = json:JSONDecoder
broken = json:NothingOfThisName
absent = no_such_module_anywhere:Thing

[penstock.other-kinds]
lazy = antigravity:geohash
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A directory with an installed distribution that extends penstock."""
    site = tmp_path_factory.mktemp("site")
    info = site / "some_extension-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-extension\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    sys.path.append(str(site))
    yield site
    sys.path.remove(str(site))


@pytest.mark.usefixtures("installed")
def test_an_extension_is_found_by_name():
    import json

    assert plugins.names("penstock.test-kinds") == ("absent", "broken", "decoder")
    assert plugins.load("penstock.test-kinds", "decoder") is json.JSONDecoder


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [
        ("decodr", "plugin.not-found", "did you mean `decoder`?"),
        ("zzz", "plugin.not-found", "known: absent, broken, decoder"),
        ("broken", "plugin.broken", "some-extension"),
        ("absent", "plugin.broken", "some-extension"),
    ],
)
def test_what_cannot_be_had_is_said(name, code, hint):
    with pytest.raises(PluginError) as caught:
        plugins.load("penstock.test-kinds", name)
    assert (caught.value.code, caught.value.exit_code) == (code, ExitCode.PLUGIN)
    assert hint in caught.value.hint


def test_a_group_that_nobody_extends_is_empty():
    assert plugins.names("penstock.nothing") == ()
    with pytest.raises(PluginError, match="no nothing is called `x`"):
        plugins.load("penstock.nothing", "x")


def test_listing_imports_no_extension(installed):
    code = (
        f"import sys; sys.path.append({str(installed)!r}); from penstock import plugins;"
        "assert plugins.names('penstock.other-kinds') == ('lazy',);"
        "assert 'antigravity' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
