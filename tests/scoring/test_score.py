"""SzCORE scores: those of timescoring, and right where it is wrong."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from timescoring.annotations import Annotation
from timescoring.scoring import EventScoring, SampleScoring

from aura.errors import InvalidInputError
from aura.recording import Event
from aura.scoring.matching import EventRules, seizure_spans
from aura.scoring.score import EventScore, pool, score, score_missed
from aura.spans import covered, cut, merge, near, union


def events(*spans):
    return [Event(start, end - start) for start, end in spans]


def oracle(reference, hypothesis, duration_s, rules=EventRules()):
    """Scores by the reference implementation of SzCORE."""
    samples = round(duration_s * 10)
    annotations = [
        Annotation([(e.onset_s, e.end_s) for e in listed], 10, samples)
        for listed in (reference, hypothesis)]
    parameters = EventScoring.Parameters(
        rules.tolerance_before_s, rules.tolerance_after_s,
        rules.min_overlap, rules.max_duration_s, rules.merge_gap_s)
    return EventScoring(*annotations, parameters), SampleScoring(*annotations)


def random_events(rng, duration_s, most, longest, near=()):
    """Sorted disjoint events on a grid of 10 ms, as TSV files hold them."""
    count = rng.integers(0, most + 1)
    onsets = rng.uniform(0, duration_s, count)
    if len(near):
        onsets = np.append(
            onsets, rng.choice(near, rng.integers(0, 4))
            + rng.normal(0, 120, 1))
    onsets = np.unique(np.round(np.clip(onsets, 0, duration_s), 2))
    ends = np.append(onsets[1:], duration_s)
    lengths = np.minimum(
        np.round(rng.uniform(0, longest) ** rng.uniform(0, 1, len(onsets)),
                 2),
        np.round(ends - onsets, 2))
    return [Event(a, b) for a, b in zip(onsets.tolist(), lengths.tolist())
            if b >= 0.1]


def too_short(scored, fs=10):
    """Whether a remainder of a cut rounds to no step of the grid."""
    return any(round(a * fs) == round(b * fs)
               for a, b in scored.ref.events + scored.hyp.events)


def case(rng):
    duration_s = float(np.round(rng.uniform(300, 20000), 1))
    longest = rng.choice([20, 200, 2000, 6000])
    reference = random_events(rng, duration_s, 8, longest)
    hypothesis = random_events(
        rng, duration_s, rng.choice([0, 3, 40]), longest,
        [e.onset_s for e in reference])
    return reference, hypothesis, duration_s


def test_equals_timescoring_on_1000_random_cases():
    rng = np.random.default_rng(2)
    compared = detected = false = 0
    while compared < 1000:
        given_case = case(rng)
        scored, (by_event, by_sample) = score(*given_case), oracle(*given_case)
        if too_short(by_event):
            continue
        compared += 1
        found = scored.events
        assert (found.tp, found.fp, found.ref_true) == (
            by_event.tp, by_event.fp, by_event.refTrue), given_case
        for mine, theirs in (
                (found.sensitivity, by_event.sensitivity),
                (found.precision, by_event.precision),
                (found.f1, by_event.f1),
                (found.false_alarms_per_24h, by_event.fpRate)):
            assert mine.value == pytest.approx(theirs, nan_ok=True)
        samples = scored.samples
        assert (samples.tp, samples.fp, samples.tp + samples.fn) == (
            by_sample.tp, by_sample.fp, by_sample.refTrue), given_case
        assert samples.f1.value == pytest.approx(by_sample.f1, nan_ok=True)
        detected += found.tp
        false += found.fp
    # The cases are worth something only if much happens in them.
    assert min(detected, false) > 1000


def test_equals_timescoring_under_other_rules():
    rng = np.random.default_rng(3)
    for _ in range(200):
        rules = EventRules(*rng.choice([0, 10, 45.5], 2).tolist(),
                           min_overlap=rng.choice([0, 0.3, 0.9]),
                           merge_gap_s=rng.choice([0, 15, 200]),
                           max_duration_s=rng.choice([60, 299.9, 1e6]))
        given_case = case(rng)
        theirs, _ = oracle(*given_case, rules)
        if not too_short(theirs):
            mine = score(*given_case, rules).events
            assert (mine.tp, mine.fp, mine.ref_true) == (
                theirs.tp, theirs.fp, theirs.refTrue), (given_case, rules)


onsets = st.integers(0, 3500)
lengths = st.integers(1, 900)
many_events = st.lists(st.builds(Event, onsets, lengths), max_size=8)


@given(many_events, many_events, st.randoms(use_true_random=False))
def test_order_of_events_changes_nothing(reference, hypothesis, random):
    ordered = score(sorted(reference), sorted(hypothesis), 3600.0)
    random.shuffle(reference)
    random.shuffle(hypothesis)
    assert score(reference, hypothesis, 3600.0) == ordered


@given(many_events, many_events)
def test_silence_after_the_end_changes_only_the_hours(reference, hypothesis):
    # Far enough away that no border cuts an event or a tolerance.
    short = score(reference, hypothesis, 5000.0)
    long = score(reference, hypothesis, 50000.0)
    assert long.samples == short.samples
    assert long.events.hours == 50000 / 3600
    assert (long.events.tp, long.events.fp, long.events.strict_fp) == (
        short.events.tp, short.events.fp, short.events.strict_fp)


@given(many_events, many_events, st.integers(30, 4000))
def test_shifting_both_changes_nothing(reference, hypothesis, shift_s):
    base, moved = (
        score([Event(e.onset_s + by, e.duration_s) for e in reference],
              [Event(e.onset_s + by, e.duration_s) for e in hypothesis],
              10000.0)
        for by in (30, 30 + shift_s))
    assert moved == base


@given(many_events)
def test_annotations_scored_against_themselves_are_perfect(reference):
    found = score(reference, reference, 5000.0)
    assert found.events.tp == found.events.ref_true
    assert found.events.fp == found.events.strict_fp == 0
    assert found.samples.fp == found.samples.fn == 0
    assert set(found.events.latencies_s) <= {0.0}


@given(many_events, many_events)
def test_events_inside_others_count_as_their_union(reference, hypothesis):
    whole = [events(*union(seizure_spans(listed, 3600.0)).tolist())
             for listed in (reference, hypothesis)]
    nested, plain = score(reference, hypothesis, 3600.0), score(*whole, 3600.0)
    assert nested.samples == plain.samples
    assert (nested.events.tp, nested.events.fp, nested.events.ref_true) == (
        plain.events.tp, plain.events.fp, plain.events.ref_true)


def test_unsorted_reference_that_timescoring_takes_for_missed():
    reference = events((3000, 3060), (1000, 1060))
    hypothesis = events((1010, 1050), (3010, 3050))
    assert oracle(reference, hypothesis, 3600)[0].tp == 0
    assert score(reference, hypothesis, 3600.0).events.tp == 2


def test_event_from_before_the_start_that_timescoring_loses():
    reference = events((0, 40))
    hypothesis = events((-5, 60))
    assert oracle(reference, hypothesis, 3600)[0].tp == 0
    found = score(reference, hypothesis, 3600.0)
    assert (found.events.tp, found.events.fp) == (1, 0)
    assert (found.samples.tp, found.samples.fp) == (40, 20)


def test_event_beyond_the_end_counts_only_inside():
    hypothesis = events((3550, 9000))
    assert oracle([], hypothesis, 3600)[0].fp == 19
    found = score([], hypothesis, 3600.0)
    assert found.events.fp == found.events.strict_fp == 1
    assert found.samples.fp == 50


def test_event_longer_than_the_recording_is_the_recording():
    found = score(events((-100, 5000)), events((-1, 9999)), 900.0)
    assert (found.events.tp, found.events.fp, found.events.ref_true) == (
        3, 0, 3)
    assert found.samples.tp == 900


def test_event_outside_the_recording_is_not_scored():
    outside = events((-20, -10), (3600, 3700))
    found = score(outside, outside, 3600.0)
    assert found.events == EventScore(hours=1.0)


@pytest.mark.parametrize("at, tp, fp", [(1030, 1, 0), (2000, 0, 1)])
def test_alarm_without_length_is_an_alarm(at, tp, fp):
    found = score(events((1000, 1060)), [Event(at, 0.0)], 3600.0)
    assert (found.events.tp, found.events.fp) == (tp, fp)
    assert found.samples.tp == found.samples.fp == 0


@pytest.mark.parametrize("at", [0.0, 3599.99])
def test_alarm_without_length_at_a_border(at):
    assert score([], [Event(at, 0.0)], 3600.0).events.fp == 1


def test_alarm_in_the_last_half_step_meets_a_seizure_there():
    reference = events((3500, 3600))
    found = score(reference, [Event(3599.99, 0.0)], 3600.0).events
    assert (found.tp, found.fp, found.strict_fp) == (1, 0, 0)
    # It takes the last step, and not the one before.
    found = score(events((3599.8, 3599.9)), [Event(3599.99, 0.0)], 3600.0,
                  EventRules(0, 0)).events
    assert (found.tp, found.fp, found.strict_fp) == (0, 1, 1)


def test_the_window_of_a_seizure_ends_with_the_recording():
    last = events((3580, 3600))  # 20 s of a window of 50 s
    for share, tp in ((0.39, 1), (0.41, 0)):
        rules = EventRules(min_overlap=share)
        assert score(last, last, 3600.0, rules).events.tp == tp


@pytest.mark.parametrize("duration_s", [99.4, 99.5, 99.6, 100.5])
def test_no_sample_lies_beyond_the_recording(duration_s):
    found = score([], events((0, 500)), duration_s).samples
    assert found.fp == round(duration_s)


def test_nothing_annotated_and_nothing_detected():
    found = score([], [], 3600.0)
    assert found.events == EventScore(hours=1.0)
    for undefined in (found.events.sensitivity, found.events.precision,
                      found.events.f1, found.samples.sensitivity):
        assert math.isnan(undefined.value)
        assert (undefined.low, undefined.high) == (0.0, 1.0)
    assert math.isnan(found.events.median_latency_s)
    assert found.events.false_alarms_per_24h.value == 0


def test_szcore_tolerances_merging_and_cutting():
    reference = events((1000, 1060))
    # A hit may lie in the 60 s after the end, not behind them.
    assert score(reference, events((1119, 1125)), 3600).events.tp == 1
    assert score(reference, events((1120, 1125)), 3600).events.tp == 0
    assert score(reference, events((960, 971)), 3600).events.tp == 1
    assert score(reference, events((960, 970)), 3600).events.tp == 0
    # 89 s apart is one event, 90 s are two.
    two = score([], events((100, 110), (199, 210), (300, 310)), 3600).events
    assert (two.fp, two.strict_fp) == (2, 3)
    # One alarm of 20 min is four events, of which the first is a hit.
    long = score(events((10, 30)), events((0, 1200)), 3600).events
    assert (long.tp, long.fp, long.strict_fp) == (1, 3, 0)


def test_only_seizures_are_scored():
    others = [Event(100, 50, "bckg"), Event(500, 50, "impd"),
              Event(900, 50, "sz_foc_ia")]
    assert score(others, others, 3600.0).events.ref_true == 1


def test_latency_is_that_of_the_first_alarm_before_merging():
    reference = events((1000, 1060), (2000, 2060), (3000, 3010))
    hypothesis = events((1012, 1020), (1030, 1040), (1985, 2005), (100, 900))
    found = score(reference, hypothesis, 3600.0).events
    assert found.latencies_s == (12.0, -15.0)
    assert found.median_latency_s == -1.5
    # The alarm of the first seizure started at 12 s; nothing else meets it,
    # although one far earlier ends less than 90 s before its window.
    joined = score(reference[:1], events((800, 950), (1012, 1020)), 3600.0)
    assert joined.events.fp == 0
    assert joined.events.strict_fp == 1
    assert joined.events.latencies_s == (12.0,)
    # An alarm that ends where the tolerance begins does not meet it.
    touching = score(reference[:1], events((960, 970), (1012, 1020)), 3600.0)
    assert touching.events.latencies_s == (12.0,)
    missed = score(reference[:1], events((1120, 1200)), 3600.0)
    assert missed.events.latencies_s == ()


def test_missing_hypothesis_misses_seizures_and_gives_no_hours():
    found = score_missed(events((100, 160), (1000, 1700)), 3600.0)
    assert found.events == EventScore(ref_true=4)
    assert (found.samples.tp, found.samples.fn) == (0, 760)
    assert math.isnan(found.events.false_alarms_per_24h.value)
    both = pool([found, score([], events((5, 10)), 86400.0)]).events
    assert both.sensitivity.total == 4
    assert both.false_alarms_per_24h.value == 1


@settings(max_examples=30)
@given(st.lists(st.tuples(many_events, many_events), max_size=5))
def test_pooled_counts_are_sums(pairs):
    scores = [score(*pair, 3600.0) for pair in pairs]
    pooled = pool(scores)
    for name in ("tp", "fp", "ref_true", "strict_fp", "hours"):
        assert getattr(pooled.events, name) == pytest.approx(
            sum(getattr(s.events, name) for s in scores))
    assert len(pooled.events.latencies_s) == sum(
        len(s.events.latencies_s) for s in scores)
    assert pooled.samples.fn == sum(s.samples.fn for s in scores)


@pytest.mark.parametrize("wrong", [
    Event(10, -1), Event(math.nan, 5), Event(5, math.inf)])
def test_impossible_events_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="scoring.event"):
        score([], [wrong], 3600.0)


@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.nan, math.inf])
def test_impossible_durations_are_refused(duration_s):
    with pytest.raises(InvalidInputError, match="scoring.duration"):
        score([], [], duration_s)


@pytest.mark.parametrize("max_duration_s", [0.0, 0.099, math.nan])
def test_pieces_shorter_than_a_grid_step_are_refused(max_duration_s):
    assert EventRules(max_duration_s=0.1)
    with pytest.raises(InvalidInputError, match="scoring.rules"):
        EventRules(max_duration_s=max_duration_s)


@pytest.mark.parametrize("duration_s", [0.04, 0.06, 60.0])
def test_seizures_and_recordings_of_one_grid_step_can_be_scored(duration_s):
    rules = EventRules(tolerance_before_s=0, tolerance_after_s=0,
                       min_overlap=0.9)
    point = [Event(0.0, 0.0)]
    scored = score(point, point, duration_s, rules).events
    assert (scored.tp, scored.fp, scored.ref_true) == (1, 0, 1)


@given(many_events, many_events, st.integers(1, 200))
def test_spans_agree_with_a_mask_of_seconds(first, second, gap):
    spans, others = (seizure_spans(x, 5000.0) for x in (first, second))
    masks = np.zeros((2, 5000), dtype=bool)
    for mask, listed in zip(masks, (spans, others)):
        for start, end in listed.astype(int):
            mask[start:end] = True
    disjoint = union(spans)
    assert covered(disjoint, others).tolist() == [
        masks[0, a:b].sum() for a, b in others.astype(int)]
    assert np.diff(cut(disjoint, gap)).sum() == masks[0].sum()
    assert (np.diff(cut(disjoint, gap)) <= gap).all()
    merged = merge(spans, gap)
    assert (merged[1:, 0] - merged[:-1, 1] >= gap).all()


@given(st.lists(st.integers(0, 49)), st.integers(0, 60))
def test_steps_near_others_are_those_within_the_distance(middle, half):
    found = near(np.array(middle, dtype=np.int64), half, 50)
    assert found.tolist() == [
        any(abs(step - one) <= half for one in middle)
        for step in range(50)]
