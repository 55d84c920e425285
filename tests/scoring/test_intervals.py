"""Exact intervals, against published values and other ways to get them."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from aura.errors import InvalidInputError
from aura.scoring.intervals import (
    f1,
    proportion,
    rate_over_people,
    rate_per_24h,
    resolvable_rate,
)

counts = st.integers(0, 400).flatmap(
    lambda total: st.tuples(st.integers(0, total), st.just(total)))


@pytest.mark.parametrize("count, total, low, high", [
    (20, 23, 0.664, 0.972),  # Jeppesen 2020 prints 66-97 %
    (9, 10, 0.5550, 0.9975),
    (0, 10, 0.0, 0.3085),    # 1 - 0.025 ** (1/10)
    (4, 4, 0.3976, 1.0),     # 0.025 ** (1/4)
])
def test_clopper_pearson_1934_printed_values(count, total, low, high):
    estimate = proportion(count, total)
    assert estimate.value == count / total
    assert (estimate.count, estimate.total) == (count, total)
    assert estimate.low == pytest.approx(low, abs=5e-4)
    assert estimate.high == pytest.approx(high, abs=5e-4)


@pytest.mark.parametrize("count, low, high", [
    (0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668),
    (10, 4.795, 18.390),
])
def test_garwood_1936_printed_values(count, low, high):
    estimate = rate_per_24h(count, 24.0)
    assert estimate.value == count
    assert (estimate.count, estimate.total) == (count, 24.0)
    assert estimate.low == pytest.approx(low, abs=1e-3)
    assert estimate.high == pytest.approx(high, abs=1e-3)


@given(counts)
def test_proportion_equals_the_binomial_test_inverted(pair):
    expected = stats.binomtest(*pair).proportion_ci(0.95, "exact") \
        if pair[1] else None
    estimate = proportion(*pair)
    if expected is not None:
        assert estimate.low == pytest.approx(expected.low, abs=1e-9)
        assert estimate.high == pytest.approx(expected.high, abs=1e-9)


@given(st.integers(0, 1000), st.floats(0.01, 1e5))
def test_rate_ends_where_the_count_becomes_improbable(count, hours):
    estimate = rate_per_24h(count, hours)
    mean_low, mean_high = (
        x * hours / 24 for x in (estimate.low, estimate.high))
    assert stats.poisson.cdf(count, mean_high) == pytest.approx(0.025)
    if count:
        assert stats.poisson.sf(count - 1, mean_low) == pytest.approx(0.025)
    else:
        assert estimate.low == 0


PEOPLE = st.lists(st.tuples(st.integers(0, 60), st.floats(.5, 48)),
                  min_size=2, max_size=12)


def test_people_who_are_alike_have_the_interval_of_a_poisson_count():
    alike = rate_over_people([(3, 24.0)] * 10)
    exact = rate_per_24h(30, 240.0)
    assert (alike.value, alike.count, alike.total) == (3.0, 30, 240.0)
    assert (alike.low, alike.high) == pytest.approx((exact.low, exact.high))
    nothing = rate_over_people([(0, 24.0)] * 10)
    assert (nothing.value, nothing.low) == (0.0, 0.0)
    assert nothing.high == pytest.approx(rate_per_24h(0, 240.0).high)


@given(PEOPLE)
def test_people_who_differ_have_a_wider_interval(people):
    found = rate_over_people(people)
    count, hours = (sum(part) for part in zip(*people, strict=True))
    exact = rate_per_24h(count, hours)
    assert found.value == pytest.approx(exact.value)
    assert found.low <= exact.low * (1 + 1e-9)
    assert found.high >= exact.high * (1 - 1e-9)
    mean = [count * own / hours for _, own in people]
    pearson = sum((own - one) ** 2 / one for (own, _), one
                  in zip(people, mean, strict=True)) if count else 0
    spread = max(1.0, pearson / (len(people) - 1))
    # McCullagh's dispersion; the count in its units is one of Poisson's.
    assert found.high == pytest.approx(
        spread * stats.chi2.ppf(.975, 2 * (count / spread + 1)) / 2
        / (hours / 24))


def test_the_interval_over_people_holds_the_rate_of_the_population():
    covered, random = 0, np.random.default_rng(1)
    for _ in range(300):
        counts = random.poisson(4 * random.gamma(2.0, .5, 30))
        found = rate_over_people([(int(one), 24.0) for one in counts])
        covered += found.low <= 4 <= found.high
    assert covered >= .91 * 300


def test_one_person_shows_nothing_about_others():
    for people in ([], [(0, 24.0)], [(5, 24.0)], [(0, 0.0), (0, 0.0)]):
        assert rate_over_people(people).high == math.inf


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_f1_interval_holds_the_f1_of_the_counts(tp, fp, fn):
    estimate = f1(tp, fp, fn)
    if tp + fp + fn == 0:
        assert math.isnan(estimate.value)
        assert (estimate.low, estimate.high) == (0, 1)
    else:
        assert estimate.value == 2 * tp / (2 * tp + fp + fn)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_f1_interval_ends_where_the_hits_become_improbable():
    tp, fp, fn = 12, 7, 5
    estimate = f1(tp, fp, fn)
    assert (estimate.count, estimate.total) == (12, 24)
    low, high = (x / (2 - x) for x in (estimate.low, estimate.high))
    tail = pytest.approx(0.025)
    assert stats.binom.sf(tp - 1, tp + fp + fn, low) == tail
    assert stats.binom.cdf(tp, tp + fp + fn, high) == tail


def test_nothing_counted_leaves_everything_possible():
    for nothing, highest in ((proportion(0, 0), 1.0),
                             (rate_per_24h(0, 0.0), math.inf)):
        assert math.isnan(nothing.value)
        assert (nothing.count, nothing.total) == (0, 0)
        assert (nothing.low, nothing.high) == (0.0, highest)


def test_resolvable_rate_is_one_event_in_all_hours():
    assert resolvable_rate(16.8) == pytest.approx(1.43, abs=0.005)
    assert resolvable_rate(48.0) == rate_per_24h(1, 48.0).value
    assert resolvable_rate(0.0) == math.inf


@pytest.mark.parametrize("rule, call, values", [
    ("count", proportion, (3, 2)), ("count", proportion, (-1, 2)),
    ("count", rate_per_24h, (-1, 2.0)), ("count", rate_per_24h, (1, 0.0)),
    ("hours", rate_per_24h, (1, math.nan)), ("hours", rate_per_24h, (1, -3)),
    ("hours", resolvable_rate, (math.inf,)), ("count", f1, (1, -1, 0)),
    ("count", f1, (1, 0, -1))])
def test_impossible_counts_are_refused(rule, call, values):
    with pytest.raises(InvalidInputError, match=rf"interval\.{rule}"):
        call(*values)
