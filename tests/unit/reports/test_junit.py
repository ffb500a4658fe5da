"""JUnit as CI systems read it."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.reports import junit

PASSED = Verdict(
    "candidate.roc_auc > 0.85",
    Outcome.PASSED,
    "roc_auc is 0.91",
    evidence=(Evidence("candidate.roc_auc", 0.91, 0.9, 0.92, 0.85, ">", 20804, "delong"),),
    seconds=0.25,
)
FAILED = Verdict("model scan", Outcome.FAILED, "os.system in model.pkl", "scan", hint="retrain")
OPEN = Verdict("small", Outcome.INCONCLUSIVE, "n=143 < 400", needs=257)
BROKEN = Verdict("crash", Outcome.ERROR, "the model was killed", "evaluation")


def test_counts_and_times_are_right():
    root = ET.fromstring(junit([PASSED, FAILED, OPEN, BROKEN], timestamp=0.0))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "1", "1")
    (suite,) = root
    assert (suite.get("skipped"), suite.get("time")) == ("1", "0.250")
    assert suite.get("timestamp") == "1970-01-01T00:00:00"
    assert suite.get("hostname")


def test_each_gate_is_a_case_with_its_numbers():
    (suite,) = ET.fromstring(junit([PASSED]))
    (case,) = suite
    assert case.get("classname") == "gates.performance"
    assert case.get("name") == "candidate.roc_auc > 0.85"
    assert case.findtext("system-out") == "roc_auc is 0.91"
    numbers = {one.get("name"): one.get("value") for one in case.iter("property")}
    assert numbers["candidate.roc_auc.value"] == "0.91"
    assert numbers["candidate.roc_auc.n"] == "20804"


def test_outcomes_become_what_ci_systems_know():
    (suite,) = ET.fromstring(junit([PASSED, FAILED, OPEN, BROKEN]))
    passed, failed, undecided, broken = suite
    assert passed.find("failure") is None
    assert failed.find("failure").get("message") == "os.system in model.pkl"
    assert "retrain" in failed.findtext("failure")
    assert failed.get("classname") == "gates.scan"
    said = undecided.find("skipped").get("message")
    assert said == "inconclusive: n=143 < 400 (257 more would decide)"
    assert broken.find("error").get("type") == "gate.error"


def test_no_verdicts_are_an_empty_suite():
    (suite,) = ET.fromstring(junit([], suite="penstock.tests"))
    assert (suite.get("name"), suite.get("tests"), len(suite)) == ("penstock.tests", "0", 0)


@given(st.text(), st.text(), st.sampled_from(list(Outcome)))
def test_any_text_gives_well_formed_xml(name, words, outcome):
    text = junit([Verdict(name, outcome, words, evidence=(Evidence(name, 1.0),))])
    (suite,) = ET.fromstring(text)
    assert len(suite) == 1
    text.encode("utf-8")
