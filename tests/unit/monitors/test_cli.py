"""`penstock monitor` as a user runs it."""

import json

import pytest

from penstock.cli.main import main

PENSTOCK_YAML = """\
model:
  name: mini
  path: models/model
  test_data: data/train.parquet
  train_data: data/train.parquet
  target: late
monitor: {window: 1000}
"""


@pytest.fixture
def project(world):
    (world.root / "penstock.yaml").write_text(PENSTOCK_YAML)
    world.champion("1")
    world.traffic(2100, shift=0.6)
    return world.root


def run(capsys, project, *words):
    code = main(["monitor", *words, "-C", str(project)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_status_says_what_is_wrong_and_what_to_do(capsys, project):
    code, said = run(capsys, project, "status")
    assert code == 1
    assert "alert 1 of 4 features drifted: age (up by " in said
    assert "what to do: penstock monitor report --open; then penstock retrain" in said
    assert "20,000 rows of training data, calibrated" in said


def test_a_feature_that_there_is_not_is_refused_at_its_place(capsys, world, project):
    text = PENSTOCK_YAML.replace("1000}", "1000, drift: {features: [delay, agee]}}")
    (project / "penstock.yaml").write_text(text)
    code, said = run(capsys, project, "drift")  # only now is it known which there are
    assert code == 0
    assert "error  drift settings: monitor.drift.features: the champion has no feature" in said
    code, said = run(capsys, project, "status")
    assert code == 3
    assert "penstock.yaml:7:51" in said
    assert "the champion has no feature 'agee'" in said
    assert "did you mean `age`?" in said
    (project / "penstock.yaml").write_text(text.replace("agee", "age"))
    world.traffic(1001)
    assert "drift settings" not in run(capsys, project, "drift")[1]


def test_columns_that_are_no_features_may_be_left_out_of_drift(capsys, project):
    for words, code in (("late, prediction, visitor", 1), ("delayy", 3)):
        text = PENSTOCK_YAML.replace("1000}", f"1000, drift: {{exclude: [{words}]}}}}")
        (project / "penstock.yaml").write_text(text)
        assert run(capsys, project, "status")[0] == code


def test_drift_shows_the_features_that_differ(capsys, project):
    code, said = run(capsys, project, "drift")
    assert code == 1
    assert "exceedance" in said
    assert "age" in said
    assert "carrier" not in said
    code, said = run(capsys, project, "drift", "--json")
    assert json.loads(said)["window"]["exceedance"]["age"] > 5


def test_quality_without_labels(capsys, project):
    code, said = run(capsys, project, "quality")
    assert (code, said) == (0, "no labels have arrived yet; send them to /feedback\n")


def test_the_report_is_one_file_for_people(capsys, project):
    code, _ = run(capsys, project, "report", "-o", str(project / "m.html"))
    assert code == 0
    text = (project / "m.html").read_text()
    assert "<h1>1 alert open, 1 severe</h1>" in text
    assert '<p class="means">Requests no longer look like' in text
    assert '<ul class="todo"><li>Look below at what has changed.' in text
    assert "monitor report --open" not in text  # whoever reads it is there already
    assert text.index('<figure class="alarm">') < text.index("<details>") < text.index("<figure>")
    assert text.count('<svg class="bars"') == 4
    assert "in training," in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_the_report_of_an_empty_project(capsys, world):
    (world.root / "penstock.yaml").write_text(PENSTOCK_YAML)
    code, _ = run(capsys, world.root, "report")
    assert code == 0
    assert (
        "Nothing is in production yet"
        in (world.root / ".penstock/reports/monitor.html").read_text()
    )


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("prometheus", "penstock_rules.yml"),
        ("alertmanager", "alertmanager.yml"),
        ("grafana", "penstock.json"),
        ("filebeat", "filebeat.yml"),
        ("logstash", "penstock.conf"),
        ("kibana", "penstock.ndjson"),
        ("elasticsearch", "index-template.json"),
    ],
)
def test_exports_are_written(capsys, project, kind, file):
    code, said = run(capsys, project, "export", kind)
    assert code == 0
    assert file in said
    assert (project / "monitoring" / kind / file).stat().st_size > 100


def test_an_export_with_an_address_that_nobody_can_reach_is_refused(capsys, project):
    code, said = run(capsys, project, "export", "alertmanager", "--url", "penstock.example.org")
    assert code == 2
    assert "does not begin with https://" in said
    assert not (project / "monitoring").exists()


@pytest.mark.parametrize(
    ("words", "wanted", "told"),
    [
        (("--port", "99999"), 2, "99999"),
        (("--host", "no-such-host.invalid", "--port", "0"), 5, "no-such-host.invalid:0"),
    ],
)
def test_metrics_say_why_they_cannot_be_served(capsys, project, words, wanted, told):
    code, said = run(capsys, project, "metrics", *words)
    assert code == wanted
    assert told in said
    assert "is taken" not in said
