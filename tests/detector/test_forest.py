"""A forest learns from the right rows with the right weights."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from aura.detector import forest, trees
from aura.detector.forest import fit, training_rows
from aura.ecg import features
from aura.recording import Event
from tests.learning_examples import cohort, example


def numbered(one):
    """The same recording, with the row numbers as values."""
    rows = np.arange(len(one.time_s), dtype=np.float32)
    return replace(one, values=np.column_stack([rows, rows]))


def chosen(*examples):
    """Numbers of the rows to learn from, in seizures and outside."""
    rows = training_rows([numbered(one) for one in examples])
    return (rows.values[rows.seizure, 0].tolist(),
            rows.values[~rows.seizure, 0].tolist())


def test_the_peak_of_a_seizure_is_learnt_even_after_its_end():
    one = example("p", (300, 20))
    rise = np.zeros(600)
    rise[299] = 99                                   # ends at the onset
    rise[[300, 310, 319, 330, 349]] = 50, 39, 40, 40.1, 41
    rise[350] = 99                                   # 31 s after the end
    seizure, _ = chosen(replace(one, rise=rise))
    assert seizure == [300, 319, 330, 349]


def test_without_a_rise_the_whole_seizure_is_learnt():
    one = example("p", (300, 20))
    for rise in (np.full(600, np.nan), np.full(600, -1.0)):
        assert chosen(replace(one, rise=rise))[0] == list(range(300, 350))


def test_outside_seizures_only_the_highest_rate_of_a_minute_is_learnt():
    one = example("p", (300, 20), (440, 20))
    from_peak = np.zeros(600)
    # The same heart rate as in the row before, but for rounding.
    from_peak[[0, 50, 100]] = -0.1, -3e-9, np.nan
    _, other = chosen(replace(one, from_peak=from_peak))
    before = [row for row in range(1, 270) if row != 100]
    assert other == before + list(range(550, 600))


def test_unscorable_rows_are_not_learnt():
    scorable = np.ones(600, dtype=bool)
    scorable[:305] = scorable[500:] = False
    one = example("p", (300, 20), scorable=scorable,
                  rise=np.ones(600), from_peak=np.zeros(600))
    seizure, other = chosen(one)
    assert seizure == list(range(305, 350))
    assert other == list(range(410, 500))


def test_other_events_are_not_seizures():
    one = replace(example("p"), events=(Event(300, 20, "bckg"),),
                  from_peak=np.zeros(600))
    assert chosen(one) == ([], list(range(600)))


def test_seizures_weigh_the_same_and_together_as_much_as_the_rest():
    rise = np.ones(600)
    rise[100] = 2                             # the only row of its peak
    one = example("p", (100, 4), (300, 100),
                  rise=rise, from_peak=np.zeros(600))
    rows = training_rows([one, example("q", from_peak=np.zeros(600))])
    weights = rows.weight[rows.seizure]
    assert len(weights) == 1 + 130
    assert weights[0] == pytest.approx(sum(weights[1:]))
    assert sum(weights) == pytest.approx(sum(rows.weight[~rows.seizure]))
    assert rows.weight.mean() == pytest.approx(1)


@pytest.mark.parametrize("examples", [
    [example("p")],
    [example("p", (0, 600), from_peak=np.full(600, -9.0))],
    [example("p", scorable=np.zeros(600, dtype=bool))],
])
def test_weights_are_finite_whatever_is_missing(examples):
    assert np.isfinite(training_rows(examples).weight).all()


def test_a_seizure_is_usable_if_some_of_it_can_be_scored():
    hidden = np.ones(600, dtype=bool)
    hidden[300:350] = False
    assert example("p", (300, 20)).has_usable_seizure
    assert not example("p").has_usable_seizure
    assert not example("p", (300, 20), scorable=hidden).has_usable_seizure
    assert example("p", (10, 9), (300, 20),
                   scorable=hidden).has_usable_seizure


def splits(model):
    return [(tree.tree_.feature.tobytes(), tree.tree_.threshold.tobytes(),
             tree.tree_.value.tobytes()) for tree in model.estimators_]


def test_the_same_seed_gives_the_same_trees():
    examples = cohort()
    one, two = fit(examples, 7), fit(examples, 7)
    assert splits(one) == splits(two)
    assert splits(one) != splits(fit(examples, 8))
    assert len(one.estimators_) == forest.TREES
    assert list(one.classes_) == [0, 1]


def test_trees_are_shallow_and_their_leaves_are_large(monkeypatch):
    monkeypatch.setattr(forest, "TREES", 3)
    random = np.random.default_rng(1)
    # Of random numbers, a monotone tree learns little.
    examples = [replace(one, from_peak=np.zeros(600), rise=np.ones(600),
                        values=random.random((600, 2)).astype(np.float32),
                        columns=("sdnn", "lf"))
                for one in cohort(9)]
    grown = [one.tree_ for one in fit(examples, 1).estimators_]
    assert [tree.max_depth for tree in grown] == [10, 10, 10]
    assert min(tree.n_node_samples[tree.feature < 0].min()
               for tree in grown) == 20


def test_seizures_and_other_time_have_equal_weight_in_the_forest():
    examples = [replace(one, values=np.zeros((600, 2), np.float32))
                for one in cohort()]
    assert fit(examples, 1).predict_proba(np.zeros((1, 2))) == pytest.approx(
        .5, abs=.05)


def test_a_forest_learns_and_predicts_with_missing_values():
    examples = cohort()
    for one in examples:
        one.values[:200, 1] = np.nan
    model = trees.of(fit(examples, 1))
    calm, risen, unknown, nothing = model.probability(np.float32(
        [[0, -5], [40, 35], [40, np.nan], [np.nan, np.nan]]))
    assert calm < 0.1 and risen > 0.9
    # Missing is never evidence of a seizure.
    assert nothing <= unknown <= risen and nothing <= calm


def learnt():
    """
    The forest of `train` on rises that overlap: calm time has high ones.

    One seizure of the smallest rise weighs as much as all of the calm time,
    so a forest without a constraint learns an island around it.
    """
    random = np.random.default_rng(3)
    examples = []
    for number, surge in enumerate((20.0, 45.0, 60.0)):
        one = cohort(3, surge=surge, seconds=1800)[number]
        effort = np.zeros(1800)
        for at in random.integers(500, 1700, 8):
            effort[at:at + 30] += random.uniform(28, 40)
        values = one.values + np.column_stack(
            [effort, effort - random.uniform(0, 15, 1800)])
        values[:60] = np.nan
        examples.append(replace(
            one, values=values.astype(np.float32), rise=one.rise + effort,
            from_peak=np.zeros(1800)))
    return trees.of(fit(examples, 1))


@pytest.fixture(scope="module")
def shipped():
    return learnt()


LIMIT = float(np.finfo(np.float32).max)
RISE = st.one_of(st.floats(-LIMIT, LIMIT, width=32), st.floats(-80, 160),
                 st.just(np.nan))


@given(st.data(), st.tuples(RISE, RISE))
def test_more_rise_never_lowers_the_score(shipped, data, first):
    """Also beyond all values that it has learnt from, and from missing."""
    second = [data.draw(st.floats(
        -LIMIT if np.isnan(low) else float(np.float32(low)), LIMIT, width=32))
        for low in first]
    low, high = shipped.probability(np.float32([first, second]))
    assert low <= high


def test_the_score_rises_over_the_whole_plane(shipped):
    cuts = [np.unique(shipped.nodes["value"][
        shipped.nodes["feature"] == column]) for column in (0, 1)]
    # One value in each cell between the thresholds, and one on each side.
    axes = [np.sort(np.concatenate([
        [-LIMIT, LIMIT], cut, cut + 1e-4])).astype(np.float32)
        for cut in cuts]
    plane = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    score = shipped.probability(plane.reshape(-1, 2)).reshape(
        plane.shape[:2])
    assert (np.diff(score, axis=0) >= 0).all()
    assert (np.diff(score, axis=1) >= 0).all()
    assert score[0, 0] < .1 and score[-1, -1] > .5
    # It is more than one threshold.
    assert len(np.unique(score)) > 20


def test_without_the_constraint_the_same_rows_make_a_score_that_falls(
        monkeypatch):
    """So the two tests above can fail."""
    monkeypatch.setattr(forest, "RISES", frozenset())
    free = learnt()
    rise = np.linspace(-20, 120, 500, dtype=np.float32)
    score = free.probability(np.column_stack([rise, rise - 6]))
    assert (np.diff(score) < -.05).any()


def test_only_rises_over_the_own_past_have_a_direction():
    one = replace(example("p"), columns=features.NAMES)
    rising = {name for name, direction in zip(
        features.NAMES, forest.directions(one), strict=True) if direction}
    assert rising == {"hr_rise", "hr_ratio", "hr_z", "hr_rise_60",
                      "hr_over_p95"}
    assert forest.directions(example("p")) == [1, 1]
