"""A real store returns every point as it was sent."""

import contextlib
import json
import math
import re
import secrets
import urllib.error
import urllib.request
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aura.errors import PreconditionError
from aura.folder import Folder
from aura.influx import chunks, points, schema
from aura.influx.delivery import Delivery
from aura.influx.points import Series
from aura.influx.store import Store, Target, earlier_results
from aura.recording import ArraySignal, Event, Recording
from aura.scoring.matching import agree
from aura.scoring.score import score
from aura.synthetic.waveform import ecg
from tests.lines import encode, parse
from tests.stored_points import flat, read_back

pytestmark = pytest.mark.influxdb

DOCS = Path(__file__).parents[2] / "docs/influxdb.md"
SECOND = 10 ** 9
BEGIN = 1_577_836_800 * SECOND
TEXT = st.text(alphabet=st.one_of(
    st.sampled_from(" ,=\\\"'#\n\r\t\0😀ä\u2028"), st.characters()),
    min_size=1, max_size=12)


@pytest.fixture
def bucket(influx):
    """A bucket that does not exist yet; the test deletes it at its end."""
    name = f"aura-test-{secrets.token_hex(6)}"
    yield Target(influx.url, influx.org, name, influx.token)
    for known in influx.buckets(name):
        influx.call(f"/api/v2/buckets/{known['id']}", method="DELETE")


def some_points(begin=BEGIN):
    """Points of most measurements, of a recording that begins at a time."""
    series = Series("p-0123456789", "r-0123456789", begin, "a" * 64)
    rng = np.random.default_rng(1)
    time_s = np.arange(1.0, 601.0)
    signal = ArraySignal(ecg(600.0, seed=2).samples, 256.0)
    listed = [Event(100, 30), Event(300.5, 20.25, 'sz_"a\\b\', c=d\né😀')]
    many = rng.normal(size=600)
    many[::7] = np.nan
    return b"".join([
        *points.ecg(series, signal, "ECG, left = \\"),
        *points.raw(series, signal, "ECG, left = \\",
                    np.array([[90.0, 110.0]])),
        *points.beats(series, time_s * .8, many + 1, many > 0),
        *points.heart_rate(series, time_s, many, many * 1e-7, many * 1e9),
        *points.features(series, time_s, {
            "rmssd": many.astype(np.float32), "csi": many}),
        *points.quality(series, time_s, many > 0),
        points.unscorable(series, [(0, 10), (20.5, 60)]),
        *points.probability(series, time_s, np.abs(many), .25),
        points.events(series, "original", listed),
        points.events(series, "predicted", listed[:1], np.array([True])),
        points.score(series, duration_s=600.0, scorable_s=590.0, alarms=1,
                     threshold=.25, counted=None)])


def send(tmp_path, target, text, replaced=()):
    folder = Folder(tmp_path)
    with folder.replace("0000.lp.gz") as stream:
        chunks.write(stream, [text])
    with contextlib.closing(Store(target)) as store:
        return Delivery(store, target.name, 60.0).send(
            folder, "0000.lp.gz", again=True, replaced=replaced)


@pytest.mark.parametrize("begin", [
    BEGIN, -10 ** 18, points.LAST_NS - 10 ** 12],
    ids=["2020", "1938", "2262"])
def test_influxdb_returns_every_point_after_one_write_and_after_two(
        tmp_path, influx, bucket, begin):
    text = some_points(begin)
    sent = flat(parse(text))
    for _ in range(2):
        known = send(tmp_path, bucket, text)
        assert (known.acknowledged, known.rejected) == (
            text.count(b"\n"), 0)
        assert read_back(influx, bucket.bucket) == sent
    [made] = influx.buckets(bucket.bucket)
    assert made["retentionRules"][0]["everySeconds"] == 0
    assert "recordings may be old" in made["description"]


def test_influxdb_reads_any_text_as_it_was_written(tmp_path, influx, bucket):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(
        HealthCheck))
    @given(st.lists(st.tuples(TEXT, TEXT), min_size=25, max_size=25))
    def check(pairs):
        text = b"".join(
            encode("event", {"channel": tag}, np.array([BEGIN + number]),
                   {"label": np.array([value], object)})
            for number, (tag, value) in enumerate(pairs))
        known = send(tmp_path, bucket, text)
        assert (known.acknowledged, known.rejected) == (25, 0)
        for sent in flat(parse(text)).items():
            everything.__setitem__(*sent)

    everything = {}
    check()
    assert len(everything) > 25
    assert read_back(influx, bucket.bucket) == everything


@pytest.mark.parametrize("begin", [BEGIN, -10 ** 18],
                         ids=["2020", "1938"])
def test_influxdb_has_no_result_that_a_later_export_lacks(
        tmp_path, influx, bucket, begin):
    def lines(model, *onsets):
        series = Series("p-0123456789", "r-0123456789", begin, model)
        listed = [Event(onset, 10, "sz") for onset in onsets]
        times = np.arange(1.0, 601.0)
        return b"".join([
            points.events(series, "original", listed),
            points.events(series, "predicted", listed),
            points.agreement(series, agree(listed, listed[1:], 600.0)),
            points.unscorable(series, [(one, one + 1) for one in onsets]),
            *points.probability(series, times, np.where(
                times % 50 < len(onsets), .5, np.nan), .6),
            *points.quality(series, times, times > 0)])

    send(tmp_path, bucket, b"made v=1 1\n")
    [known] = influx.buckets(bucket.bucket)
    # A token that may write may also delete.
    writer = replace(bucket, token=token(
        influx, ("write", "buckets", known["id"])))
    other = lines("other", 5, 300).replace(b"recording=r-", b"recording=q-")
    same = b"".join(
        line for line in lines("another", 5, 333).splitlines(keepends=True)
        if b"model=another" in line)
    send(tmp_path, writer, other + same)
    kept = read_back(influx, bucket.bucket)
    replaced = earlier_results(
        "p-0123456789", "r-0123456789", "model", begin,
        begin + 600 * SECOND)
    for onsets in ((10, 200, 400), (10, 250), (), (0, 10, 590), (200,)):
        text = lines("model", *onsets)
        known = send(tmp_path, writer, text, replaced)
        assert (known.acknowledged, known.kept) == (text.count(b"\n"), "")
        assert read_back(influx, bucket.bucket) == kept | flat(parse(text))


@pytest.mark.parametrize("change, rule", [
    ({"token": "wrong"}, "influx.auth"), ({"org": "nobody"}, "influx.org")])
def test_a_wrong_token_or_organisation_is_named(
        tmp_path, bucket, change, rule):
    with pytest.raises(PreconditionError) as caught:
        send(tmp_path, replace(bucket, **change), some_points())
    assert caught.value.rule == rule


def token(influx, *permissions):
    """A token with permissions, each as (action, type, id or None)."""
    [org] = json.loads(influx.call(f"/api/v2/orgs?org={influx.org}"))["orgs"]
    return json.loads(influx.call("/api/v2/authorizations", json.dumps({
        "orgID": org["id"], "permissions": [
            {"action": action, "resource": {
                "type": kind, "orgID": org["id"],
                **({"id": one} if one else {})}}
            for action, kind, one in permissions]})))["token"]


def test_influxdb_needs_only_permission_to_write(
        tmp_path, influx, bucket):
    limited = token(influx, ("read", "buckets", None))
    with pytest.raises(PreconditionError) as caught:
        send(tmp_path, replace(bucket, token=limited), some_points())
    assert caught.value.rule in ("influx.bucket", "influx.auth")
    assert not influx.buckets(bucket.bucket)
    send(tmp_path, bucket, b"made v=1 1\n")
    [known] = influx.buckets(bucket.bucket)
    with pytest.raises(PreconditionError) as caught:
        send(tmp_path, replace(bucket, token=limited), some_points())
    assert caught.value.rule in ("influx.bucket", "influx.auth")
    influx.call(f"/api/v2/buckets/{known['id']}", method="DELETE")
    # A token that may write to all buckets may create one, but may not look
    # up the name of the organisation.
    maker = token(influx, ("write", "buckets", None))
    with pytest.raises(PreconditionError, match="influx.bucket"):
        send(tmp_path, replace(bucket, token=maker), some_points())
    [org] = json.loads(influx.call(f"/api/v2/orgs?org={influx.org}"))["orgs"]
    send(tmp_path, replace(bucket, token=maker, org=org["id"]),
         b"made v=1 1\n")
    [known] = influx.buckets(bucket.bucket)
    writer = token(influx, ("write", "buckets", known["id"]))
    text = some_points()
    assert send(tmp_path, replace(bucket, token=writer),
                text).acknowledged == text.count(b"\n")


def test_influxdb_names_rejected_points_and_stores_the_rest(
        tmp_path, influx, bucket):
    send(tmp_path, bucket, b"beat,recording=r-1 rr_ms=1i 5\n")
    good = b"".join(b"event,recording=r-1 v=%d 7%d\n" % (one, one)
                    for one in range(100, 700))
    bad = b"beat,recording=r-1 rr_ms=2.5 6\n"
    unread = b"event,recording=r-2 v=,\xff 9\n"
    known = send(tmp_path, bucket, good[:3000] + good[3000:] + bad + unread)
    assert (known.acknowledged, known.rejected) == (600, 2)
    assert known.named[0].startswith("beat r-1 6: ")
    assert "field type conflict" in known.named[0]
    assert known.named[1].startswith("event r-2 9: ")
    assert len(read_back(influx, bucket.bucket)) == 601


def test_a_bucket_with_short_retention_is_not_written_to(
        tmp_path, influx, bucket):
    [org] = json.loads(influx.call(f"/api/v2/orgs?org={influx.org}"))["orgs"]
    influx.call("/api/v2/buckets", json.dumps({
        "orgID": org["id"], "name": bucket.bucket, "retentionRules": [
            {"type": "expire", "everySeconds": 86400}]}))
    with pytest.raises(PreconditionError, match="influx.retention"):
        send(tmp_path, bucket, some_points())


def documented():
    """The Flux queries of the documentation."""
    return re.findall(r"```flux\n(.*?)```", DOCS.read_text("utf-8"), re.S)


@pytest.mark.parametrize("number", range(len(documented())))
def test_every_query_of_the_documentation_finds_something(
        tmp_path, influx, bucket, number):
    query = documented()[number]
    send(tmp_path, bucket, for_the_docs())
    found = influx.query(query.replace('"ecg"', f'"{bucket.bucket}"', 1))
    assert len(found.splitlines()) >= 2 and "error" not in found, found


def for_the_docs():
    series = Series("p-9ac527471b", "r-70b2dd7169", BEGIN, "18cb6c8b167c")
    seizures, alarms = [Event(100, 30), Event(400, 30)], [Event(110, 20)]
    found = agree(seizures, alarms, 600.0)
    known = Recording(
        "a.edf", series.patient, ("ECG",), "ECG", 0, "mV", 256.0, 600.0,
        datetime(2020, 1, 1), tuple(seizures), "EDF+")
    return some_points() + b"".join([
        points.recording(series, known, beats=700, scorable_s=590.0,
                         unscorable=[(0, 10)]),
        *points.ecg(series, ArraySignal(ecg(600.0).samples, 256.0), "ECG"),
        points.events(series, "original", seizures),
        points.events(series, "predicted", alarms, found.right),
        points.agreement(series, found),
        points.score(series, duration_s=600.0, scorable_s=590.0, alarms=1,
                     threshold=.25, counted=score(seizures, alarms, 600.0))])


def test_victoriametrics_returns_every_number_to_the_millisecond(
        tmp_path, victoria):
    text = some_points()
    target = Target(victoria, "any", "any")
    for _ in range(2):
        known = send(tmp_path, target, text)
        assert (known.acknowledged, known.rejected) == (
            text.count(b"\n"), 0)
    urllib.request.urlopen(f"{victoria}/internal/force_flush").close()
    expected, texts = defaultdict(dict), set()
    for (name, *tags, time_ns, field), value in flat(parse(text)).items():
        series = (f"{name}_{field}", *tags)
        if isinstance(value, str):
            texts.add(series)
        else:
            expected[series][time_ns // 10 ** 6] = float(value)
    found = {}
    with urllib.request.urlopen(
            f"{victoria}/api/v1/export?match[]=%7B__name__!=%22%22%7D"
            "&start=0") as answer:
        for line in answer:
            one = json.loads(line)
            labels = one["metric"]
            name = labels.pop("__name__")
            labels.pop("db", None)
            found[name, *sorted(labels.items())] = dict(
                zip(one["timestamps"], one["values"]))
    # Of a text it only stores that there was one.
    assert found.keys() - texts == expected.keys()
    for series, values in expected.items():
        assert found[series].keys() == values.keys(), series
        for time_ms, value in values.items():
            assert math.isclose(
                found[series][time_ms], value, rel_tol=1e-12), series


def test_victoriametrics_needs_no_bucket(
        tmp_path, victoria):
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{victoria}/api/v2/buckets")
    known = send(tmp_path, Target(victoria, "o", "b"),
                 b"m v=1 1577836800000000000\n",
                 earlier_results("p-1", "r-1", "", BEGIN, BEGIN + SECOND))
    assert known.acknowledged == 1
    assert known.kept


def test_the_documentation_shows_the_schema():
    text = DOCS.read_text("utf-8")
    for one in schema.MEASUREMENTS:
        row, = (line for line in text.splitlines()
                if line.startswith(f"| `{one.name}` |"))
        _, _, what, tags, fields, _ = (cell.strip()
                                       for cell in row.split("|"))
        assert what == one.text
        assert re.findall("`(.*?)`", tags) == list(one.tags)
        assert fields.split("<br>") == [
            f"`{name}` {field.kind}{field.unit and f', {field.unit}'}: "
            f"{field.text}" for name, field in one.fields.items()
        ] or one is schema.FEATURE


def test_every_point_follows_the_schema():
    kinds = {"float": float, "integer": int, "boolean": bool, "string": str}
    known = {one.name: one for one in schema.MEASUREMENTS}
    for measurement, tags, fields, _ in parse(for_the_docs()):
        one = known[measurement]
        assert tags.keys() <= {*schema.COMMON_TAGS, *one.tags}
        if one is schema.FEATURE:
            continue
        for name, value in fields.items():
            assert type(value) is kinds[one.fields[name].kind], name
