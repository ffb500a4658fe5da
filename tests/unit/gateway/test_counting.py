from penstock.domain.traffic import LATENCY_BOUNDS
from penstock.gateway.counting import MAX_LABELS, Book, Tally, bucket


def test_buckets_are_those_of_the_domain():
    for at, bound in enumerate(LATENCY_BOUNDS):
        assert bucket(bound) == at
        assert bucket(bound * 1.001) == at + 1
        assert bucket(bound * 0.999) == at
    assert bucket(0.0) == 0
    assert bucket(1e9) == len(LATENCY_BOUNDS)


def test_errors_are_the_models_and_refusals_are_not():
    tally = Tally("1", "champion")
    for status in (200, 400, 404, 429, 500, 503, 504):
        tally.add(status, 0.01, b"")
    counters = tally.counters("e")
    assert (counters.requests, counters.errors, tally.refused) == (7, 3, 3)
    assert sum(counters.latency) == 7


def test_labels_are_bounded():
    tally = Tally("1", "champion")
    for k in range(MAX_LABELS + 50):
        tally.add(200, 0.01, b"class-%d" % k)
    counted = tally.counters("e").predictions
    assert len(counted) == MAX_LABELS + 1
    assert counted["other"] == 50
    assert sum(counted.values()) == MAX_LABELS + 50


def test_a_book_keeps_versions_and_roles_apart():
    book = Book("life-1")
    book.tally("1", "champion").add(200, 0.1, b"a")
    book.tally("1", "shadow").add(500, 0.1, b"")
    found = {(one.version, one.role): (one.requests, one.errors) for one in book.counters()}
    assert found == {("1", "champion"): (1, 0), ("1", "shadow"): (1, 1)}
    assert {one.epoch for one in book.counters()} == {"life-1"}
