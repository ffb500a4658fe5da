from __future__ import annotations

import math

import numpy as np
import pytest

from penstock.stats import bounded, resampling
from penstock.stats.calibration import Calibration
from penstock.stats.ranks import AreaSample


def test_bounds_narrow_with_the_variance():
    narrow = np.full(5000, 0.5)
    wide = np.array([0.0, 1.0] * 2500)
    assert bounded.lower_mean(narrow, 0, 1, 0.001) > 0.495
    hoeffding = 0.5 - math.sqrt(math.log(1000) / 10000)
    assert hoeffding - 0.01 < bounded.lower_mean(wide, 0, 1, 0.001) < hoeffding + 0.01


def test_bounds_do_not_depend_on_the_order_of_rows():
    values = np.random.default_rng(1).beta(1, 5, 3000)
    assert bounded.lower_mean(values, 0, 1, 0.01) == bounded.lower_mean(values[::-1], 0, 1, 0.01)


@pytest.mark.parametrize("values", [[], [0.0], [1.0], [0.0] * 50, [1.0] * 50])
def test_bounds_stay_in_the_range_at_its_ends(values):
    found = np.asarray(values, dtype=float)
    low, high = bounded.lower_mean(found, 0, 1, 1e-6), bounded.upper_mean(found, 0, 1, 1e-6)
    assert 0 <= low <= high <= 1
    if values:
        assert low <= np.mean(found) <= high


def test_bounds_follow_the_scale():
    values = np.random.default_rng(2).random(500)
    low = bounded.lower_mean(values, 0, 1, 0.01)
    assert bounded.lower_mean(values * 10 - 3, -3, 7, 0.01) == pytest.approx(low * 10 - 3, abs=1e-6)


def test_compressing_many_rows_keeps_the_mean_and_moves_no_bound_inwards():
    values = np.random.default_rng(3).beta(2, 9, 20_000)
    levels, counts = bounded.compress(values, 0, 1)
    assert levels.size < 4100
    assert levels @ counts / counts.sum() == pytest.approx(values.mean(), abs=1e-12)
    exact, times = np.unique(values, return_counts=True)
    tight = bounded.lower_mean(exact, 0, 1, 1e-3, times.astype(float))
    assert bounded.lower_mean(values, 0, 1, 1e-3) <= tight + 1e-6


def _pairs(labels, parts):
    kernel = 0
    for weight, scores in parts:
        gap = scores[labels][:, None] - scores[~labels][None, :]
        kernel = kernel + weight * ((gap > 0) + 0.5 * (gap == 0))
    m, n = kernel.shape
    square, total = (kernel**2).sum(), kernel.sum() ** 2
    rows, columns = (kernel.sum(1) ** 2).sum(), (kernel.sum(0) ** 2).sum()
    apart = (total - rows - columns + square) / (m * n * (m - 1) * (n - 1))
    by_row = (rows - square) / (m * n * (n - 1)) - apart
    by_column = (columns - square) / (m * n * (m - 1)) - apart
    return kernel.mean(), by_row, by_column, square / (m * n) - apart


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_areas_agree_with_all_pairs_also_with_ties(digits):
    rng = np.random.default_rng(4)
    labels = rng.random(200) < 0.3
    first = np.round(rng.normal(size=200) + labels, digits)
    second = np.round(first + rng.normal(size=200) / 2, digits)
    for parts in ([(1.0, first)], [(1.0, first), (-1.0, second)], [(2.0, first), (0.5, second)]):
        found = AreaSample.of(labels, parts)
        seen = (found.value, found.by_positive, found.by_negative, found.pair)
        assert seen == pytest.approx(_pairs(labels, parts), abs=1e-9)


def test_area_of_equal_models_is_known_to_be_equal():
    rng = np.random.default_rng(5)
    labels, scores = rng.random(4000) < 0.3, rng.normal(size=4000)
    found = AreaSample.of(labels, [(1.0, scores), (-1.0, scores)])
    assert found.value == 0
    assert found.lower(0.001) > -0.1


def test_area_without_one_kind_of_rows_is_unknown():
    found = AreaSample.of(np.ones(5, dtype=bool), [(1.0, np.arange(5.0))])
    assert math.isnan(found.value)
    assert (found.lower(0.01), found.upper(0.01)) == (0.0, 1.0)


def test_areas_are_sharper_than_hoeffding():
    rng = np.random.default_rng(6)
    labels = rng.random(15_000) < 0.25
    scores = rng.normal(size=15_000) + labels
    found = AreaSample.of(labels, [(1.0, scores)])
    alpha = 1e-3 / 32
    smaller = min(found.positives, found.negatives)
    hoeffding = math.sqrt(math.log(1 / alpha) / (2 * smaller))
    assert found.value - found.lower(alpha) < 0.9 * hoeffding
    assert found.delong() * 4 < found.value - found.lower(alpha)  # and honest beside DeLong's


def test_calibration_of_a_perfect_forecast_is_bounded_near_zero():
    rng = np.random.default_rng(7)
    chance = rng.random(20_000)
    found = Calibration.of(rng.random(20_000) < chance, chance)
    assert found.lower(0.001) == 0
    assert found.upper(0.001) < 0.03


def test_calibration_of_a_biased_forecast_is_found_out():
    rng = np.random.default_rng(8)
    chance = rng.random(20_000) * 0.8
    found = Calibration.of(rng.random(20_000) < chance + 0.15, chance)
    assert found.lower(0.001) > 0.1
    assert found.upper(0.001) < 0.2


def test_grouped_error_is_near_that_of_a_mean_by_both_ways():
    for n in (5000, 60_000):
        values = np.random.default_rng(9).normal(size=n)
        value, error, freedom = resampling.grouped_error(
            lambda sets, values=values: [float(values[rows].mean()) for rows in sets], np.arange(n)
        )
        assert value == pytest.approx(values.mean())
        assert error == pytest.approx(1 / math.sqrt(n), rel=0.35)
        assert freedom == 49


def test_order_bounds_cover_the_median():
    lower, upper = resampling.order_bounds(1000, 0.5, 0.01)
    assert 0 < lower < 500 < upper < 1001
    assert resampling.order_bounds(3, 0.5, 0.001) == (0, 4)
