"""Whatever a store does, each point is stored, rejected by name, or waits."""

import contextlib
import gzip
import re

import numpy as np
import pytest

from aura.errors import (
    CorruptDataError,
    PreconditionError,
    UnavailableError,
)
from aura.folder import Folder
from aura.influx import chunks as chunk_files, delivery as delivery_module
from aura.influx.delivery import Delivery
from aura.influx.store import Selection, Store, Target
from tests import fault_server
from tests.fault_server import once, serving, status
from tests.lines import encode

HTML = "<!doctype html><title>Sign in</title>"
SIZES = (1, 70, 520)
PATH = "0000.lp.gz"


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def points(count, bad=()):
    """Points of one recording; a field marks the bad ones."""
    text = np.array(["bad" if number in bad else "good"
                     for number in range(count)], object)
    return encode(
        "event", {"recording": "r-0123456789", "channel": "a,b = c"},
        np.arange(count) * 10 ** 9, {"v": np.arange(count) / 7, "t": text})


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunk_files, "CHUNK_LINES", 50)


def pack(folder, text):
    with folder.replace(PATH) as stream:
        chunk_files.write(stream, [text])
    return set(text.split(b"\n")[:-1])


def deliver(folder, url, patience_s=100.0, timeout_s=30.0, **more):
    """Ledger and clock of a delivery."""
    clock = Clock()
    target = Target(url, "aura", "ecg", "the-token")
    with contextlib.closing(Store(target, timeout_s)) as store:
        sender = Delivery(store, target.name, patience_s,
                          sleep=clock.sleep, clock=clock)
        return sender.send(folder, PATH, **more), clock


def stored(store):
    return set(store.points.values())


PASSING = {
    "none": None,
    "503 once, Retry-After": once(status(503, Retry_After="7")),
    "429 once, Retry-After as a date": once(status(
        429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")),
    "429 once": once(status(429)),
    "500 once, HTML": once(status(500, HTML)),
    "502 from a proxy, junk Retry-After": once(status(
        502, HTML, Retry_After="soon")),
    "504 for a third": lambda one, lines, number: (
        number % 3 == 1 and one.answer(504)),
    "reset once": once(lambda one, lines, number: one.cut()),
    "stored, answer lost": once(fault_server.stored_but_silent),
    "half an answer": once(fault_server.half_an_answer),
    "slow once": once(fault_server.slow(1.0)),
    "413 above 20 lines": fault_server.too_large(20),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_loses_no_point(folder, fault, size):
    lines = pack(folder, points(size))
    with serving(PASSING[fault]) as store:
        known, clock = deliver(
            folder, store.url, timeout_s=.3 if "slow" in fault else 30.0)
    assert stored(store) == lines
    assert (known.acknowledged, known.rejected, known.done) == (
        size, 0, True)
    assert store.tokens == {"Token the-token"}
    if "Retry-After" in fault and "503" in fault:
        assert clock.slept == [7]


@pytest.mark.parametrize("asked", [
    "0", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT",
    "Sat, 01 Jan 10000 00:00:00 GMT", "9" * 400, "-5"])
def test_waits_have_a_floor_and_a_ceiling_whatever_the_server_asks(
        folder, asked):
    pack(folder, points(3))
    with serving(status(503, Retry_After=asked)) as store:
        with pytest.raises(UnavailableError, match="influx.away"):
            deliver(folder, store.url, patience_s=100.0)
    assert 2 <= store.writes <= 101


def test_the_proxy_of_the_environment_is_used(folder, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    lines = pack(folder, points(3))
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        known, _ = deliver(folder, "http://influx.invalid:8086")
        assert stored(proxy) == lines and known.done
        with serving() as near:
            deliver(folder, near.url, again=True)
        assert stored(near) == lines
        monkeypatch.setenv("no_proxy", "influx.invalid")
        with pytest.raises(UnavailableError, match="influx.away"):
            deliver(folder, "http://influx.invalid:8086", again=True)
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="proxy"):
        deliver(folder, "http://influx.invalid:8086", again=True)


STOPPING = {
    "401": (status(401, {"message": "unauthorized access"}),
            "influx.auth", "INFLUXDB_V2_TOKEN"),
    "403": (status(403, {"message": "forbidden"}),
            "influx.auth", "INFLUXDB_V2_TOKEN"),
    "404 bucket": (status(404, {"message": 'bucket "ecg" not found'}),
                   "influx.bucket", "INFLUXDB_V2_BUCKET"),
    "404 organisation": (
        status(404, {"message": 'organization name "aura" not found'}),
        "influx.org", "INFLUXDB_V2_ORG"),
    "404 HTML": (status(404, HTML), "influx.foreign", "INFLUXDB_V2_URL"),
    "200 HTML": (status(200, HTML), "influx.foreign", "INFLUXDB_V2_URL"),
    "302 to a login": (status(302, Location="/login"),
                       "influx.foreign", "INFLUXDB_V2_URL"),
    "422 retention": (status(422, {
        "message": "partial write: points beyond retention policy "
        "dropped=1"}), "influx.retention", "--retention 0"),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", STOPPING)
def test_a_fault_for_the_user_stops_at_once_and_resumes(
        folder, fault, size):
    answer, rule, way_out = STOPPING[fault]
    lines = pack(folder, points(size))
    after = 50 if size > 50 else 0

    def later(one, lines, number):
        return number > after / 50 and answer(one, lines, number)
    with serving(later) as store:
        with pytest.raises(PreconditionError) as caught:
            deliver(folder, store.url)
        assert caught.value.rule == rule and way_out in caught.value.text
        assert "the-token" not in str(caught.value)
        assert len(store.points) == after
        store.fault = None
        before = store.received
        known, _ = deliver(folder, store.url)
    assert stored(store) == lines
    assert store.received - before == size - after     # nothing sent twice
    assert (known.acknowledged, known.rejected) == (size, 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", [
    fault_server.partial(400), fault_server.partial(422),
    fault_server.whole], ids=["400 partial", "422 partial", "400 whole"])
def test_bad_lines_are_named_and_all_others_are_stored(folder, fault, size):
    bad = {0, size // 2, size - 1}
    lines = pack(folder, points(size, bad))
    with serving(fault) as store:
        known, _ = deliver(folder, store.url)
    assert stored(store) == {line for line in lines if b"bad" not in line}
    assert known.rejected == len(bad)
    assert known.acknowledged == size - len(bad)
    assert len(known.named) == len(bad)
    for number, name in zip(sorted(bad), known.named):
        assert name.startswith(f"event r-0123456789 {number}000000000: "
                               if number else "event r-0123456789 0: ")
        assert "secret" not in name


def test_a_line_that_is_too_large_by_itself_is_named(folder):
    pack(folder, points(20))
    with serving(fault_server.too_large(0)) as store:
        known, _ = deliver(folder, store.url)
    assert (known.acknowledged, known.rejected) == (0, 20)
    assert not store.points


def test_a_store_that_rejects_everything_stops_the_delivery(
        folder, monkeypatch):
    monkeypatch.setattr(delivery_module, "MOST_REJECTED", 30)
    pack(folder, points(200))
    with serving(status(400, {"message": "field type conflict"})) as store:
        with pytest.raises(PreconditionError, match="influx.rejected"):
            deliver(folder, store.url)
    assert store.writes < 100


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", [
    status(503), status(503, Retry_After="86400"), status(429),
    status(507, "disk full"), lambda one, lines, number: one.cut()],
    ids=["503", "503 for a day", "429", "full", "reset"])
def test_patience_ends_and_a_repeat_completes(folder, fault, size):
    lines = pack(folder, points(size))

    def later(one, lines, number):
        return number > (size > 50) and fault(one, lines, number)
    with serving(later) as store:
        with pytest.raises(UnavailableError, match="influx.away"):
            deliver(folder, store.url, patience_s=100.0)
        assert len(store.points) == (50 if size > 50 else 0)
        store.fault = None
        known, _ = deliver(folder, store.url)
    assert stored(store) == lines
    assert (known.acknowledged, known.rejected) == (size, 0)


def test_a_store_that_is_not_running_is_unavailable(folder):
    pack(folder, points(3))
    with serving() as store:
        url = store.url
    with pytest.raises(UnavailableError, match="influx.away"):
        deliver(folder, url, patience_s=20.0)


def test_waits_grow_differ_and_stay_below_the_patience(folder):
    pack(folder, points(3))
    waits = []
    with serving(status(503)) as store:
        for _ in range(2):
            clock = Clock()
            with contextlib.closing(Store(Target(store.url, "o", "b"))) as one:
                with pytest.raises(UnavailableError):
                    Delivery(one, "t", 300.0, sleep=clock.sleep,
                             clock=clock).send(folder, PATH)
            waits.append(clock.slept)
    assert waits[0] != waits[1]
    for slept in waits:
        assert sum(slept) < 300 and max(slept) <= 30
        assert slept[2] > slept[1] > slept[0]


STALE = [b'%s,recording=r-0123456789,channel=a v=1 %d' % (name, number)
         for name in (b"event", b"score") for number in range(1, 70)]
# Of another recording, and of another day.
OTHERS = [b"event,recording=r-9876543210 v=1 7",
          b"event,recording=r-0123456789 v=1 %d" % 10 ** 18]
REPLACED = [Selection(
    f'_measurement="{name}" AND recording="r-0123456789"',
    "1970-01-01T00:00:00.0Z", "1970-01-02T00:00:00.0Z")
    for name in ("event", "score")]


@pytest.mark.parametrize("size", SIZES)
def test_a_kill_after_deleting_loses_no_new_point(folder, size):
    """Deleted and nothing written; then deleted and a part written."""
    lines = pack(folder, points(size))
    with serving(status(503)) as store:
        store.keep(STALE + OTHERS)
        with pytest.raises(UnavailableError):
            deliver(folder, store.url, replaced=REPLACED)
        assert stored(store) == {*OTHERS}
        store.fault = lambda one, lines, number: (
            len(store.points) > size // 3 and one.answer(503))
        with contextlib.suppress(UnavailableError):
            deliver(folder, store.url, replaced=REPLACED)
        store.fault, some = None, len(store.points) > len(OTHERS)
        asked = store.deleted
        deliver(folder, store.url, replaced=REPLACED)
        assert stored(store) == {*lines, *OTHERS}
        assert some == (size > 50) == (store.deleted == asked)
        # The ledger is of another file, so everything is sent again.
        store.keep(STALE)
        lines = pack(folder, points(size + 1))
        known, _ = deliver(folder, store.url, replaced=REPLACED)
        assert stored(store) == {*lines, *OTHERS} and not known.kept


@pytest.mark.parametrize("size", SIZES)
def test_a_kill_before_the_ledger_is_saved_loses_no_point(
        folder, monkeypatch, size):
    lines = pack(folder, points(size))
    with serving() as store:
        with monkeypatch.context() as patch:
            patch.setattr(Delivery, "_save", killed)
            patch.setattr(delivery_module, "SAVED_EVERY_S", -1.0)
            with pytest.raises(KeyboardInterrupt):
                deliver(folder, store.url, replaced=REPLACED)
        assert 0 < len(store.points) <= 50
        deliver(folder, store.url, replaced=REPLACED)
    assert stored(store) == lines


def killed(*arguments):
    raise KeyboardInterrupt


@pytest.mark.parametrize("answer, raised", [
    ((503,), UnavailableError), ((429,), UnavailableError),
    ((401, {"message": "unauthorized access"}), PreconditionError),
    ((403, {"message": "insufficient permissions"}), PreconditionError)],
    ids=["503", "429", "401", "403"])
def test_nothing_is_written_before_earlier_results_are_deleted(
        folder, answer, raised):
    lines = pack(folder, points(70))
    with serving() as store:
        store.keep(STALE)
        store.delete_fault = lambda one, body: one.answer(*answer)
        with pytest.raises(raised):
            deliver(folder, store.url, replaced=REPLACED)
        assert stored(store) == {*STALE}
        store.delete_fault = None
        deliver(folder, store.url, replaced=REPLACED)
    assert stored(store) == lines


@pytest.mark.parametrize("answer", [
    (404, {"message": "path not found"}), (400, "unsupported path"),
    (501, ""), (200, HTML)], ids=["404", "400", "501", "HTML"])
def test_a_store_that_cannot_delete_gets_the_points_and_is_reported(
        folder, answer):
    lines = pack(folder, points(70))
    with serving() as store:
        store.keep(STALE)
        store.delete_fault = lambda one, body: one.answer(*answer)
        known, _ = deliver(folder, store.url, replaced=REPLACED)
    assert stored(store) == {*lines, *STALE}
    assert known.kept


def test_delivering_twice_changes_nothing(folder):
    lines = pack(folder, points(120))
    with serving() as store:
        first, _ = deliver(folder, store.url)
        assert deliver(folder, store.url)[0] == first
        assert store.received == 120
        # The store may have lost everything.
        store.points.clear()
        assert deliver(folder, store.url, again=True)[0] == first
    assert stored(store) == lines


def test_another_file_or_target_starts_from_the_beginning(folder):
    pack(folder, points(70))
    with serving() as one, serving() as two:
        deliver(folder, one.url)
        deliver(folder, two.url)
        assert one.received == two.received == 70
        pack(folder, points(80))
        for _ in range(2):
            deliver(folder, one.url)
    assert (len(one.points), one.received) == (80, 70 + 80)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"t": 3}', b"\xff"])
def test_a_damaged_ledger_sends_everything_again(folder, damage):
    lines = pack(folder, points(70))
    folder.write("0000.ledger.json", damage)
    with serving() as store:
        known, _ = deliver(folder, store.url)
    assert stored(store) == lines and known.acknowledged == 70


def test_a_file_is_one_gzip_file_whose_members_are_chunks(folder):
    text = points(170)
    pack(folder, text)
    content = folder.read(PATH)
    assert gzip.decompress(content) == text
    with folder.open(PATH) as stream:
        chunks = list(chunk_files.read(stream))
        assert [chunk.lines for chunk in chunks] == [50, 50, 50, 20]
        assert b"".join(chunk.packed for chunk in chunks) == content
        assert [chunk.text for chunk in chunk_files.read(
            stream, chunks[1].end)] == [c.text for c in chunks[2:]]


def test_long_lines_make_small_chunks(folder, monkeypatch):
    monkeypatch.setattr(chunk_files, "CHUNK_BYTES", 1000)
    lines = [b"m v=%d 1\n" % number for number in range(300)]
    lines[7] = b'm t="' + b"x" * 5000 + b'" 1\n'
    with folder.replace(PATH) as stream:
        chunk_files.write(stream, [b"".join(lines[:9]), b"".join(lines[9:])])
    with folder.open(PATH) as stream:
        chunks = [chunk.text for chunk in chunk_files.read(stream)]
    assert b"".join(chunks) == b"".join(lines)
    assert sorted(map(len, chunks))[-2] <= 1000 and lines[7] in chunks


@pytest.mark.parametrize("cut", [1, 50, 150])
def test_a_truncated_file_is_an_error(folder, cut):
    pack(folder, points(120))
    folder.write(PATH, folder.read(PATH)[:-cut])
    with serving() as store:
        with pytest.raises(CorruptDataError, match="export.damaged"):
            deliver(folder, store.url)
    assert store.received % 50 == 0 and store.received < 120


def test_no_token_is_shown():
    target = Target("http://h:1", "o", "b", "s3cret")
    assert not re.search("s3cret", f"{target!r} {target.name}")
