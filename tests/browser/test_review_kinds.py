"""Recordings of every type on the review page."""

import numpy as np
import pytest
from playwright.sync_api import expect

from aura.recording import Event
from aura.synthetic.waveform import ecg
from tests.browser.pages import (
    as_reviewer,
    chosen,
    open_case,
    ready,
    state,
    untroubled,
)
from tests.edf_builder import Channel, plus
from tests.patients import RATE
from tests.review_runs import alarm, make_run

pytestmark = pytest.mark.browser

GAP = (120, 180)


def beats():
    """Beat times of 10 minutes; the heart races from 300 to 360 s."""
    times = [0.5]
    while times[-1] < 600:
        racing = 300 < times[-1] < 360
        times.append(times[-1] + (.45 if racing else .85)
                     + .02 * np.sin(times[-1]))
    return "beat_time_s\n" + "".join(f"{time:.3f}\n" for time in times)


def edf(digital, onsets, kind="EDF+C"):
    return plus(onsets, kind=kind, channels=(Channel(
        digital=digital.astype(np.int64).reshape(-1, RATE)),)).bytes()


def gapped():
    """ECG of 5 minutes whose records leave a gap of one."""
    samples = ecg(240, seed=7).samples * 6000
    return edf(samples, [*range(GAP[0]), *range(GAP[1], 300)], "EDF+D")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    return make_run(
        tmp_path_factory.mktemp("kinds"),
        {"rr": [alarm(320)], "lost": [], "gap": [alarm(60)],
         "asked": None},
        {"rr": [Event(300.0, 60.0, "sz")], "lost": [], "gap": None,
         "asked": [Event(60.0, 30.0, "sz")]},
        rr=(".beats.csv", beats().encode()),
        lost=(".edf", edf(np.zeros(120 * RATE), range(120))),
        gap=(".edf", gapped()),
        asked={"seed": 5, "seconds": 120, "seizure": (60, 30)})


# Dark pixels of a row's canvas between two seconds of what is shown.
INK = """([row, from, to, start, stop]) => {
  const canvas = document.querySelector(`.row.${row} canvas`);
  const left = 122, width = canvas.width - 122 - 14;
  const x = (s) => Math.round(left + (s - start) / (stop - start) * width);
  const { data } = canvas.getContext('2d').getImageData(
    x(from), 0, x(to) - x(from), canvas.height);
  let ink = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] < 70 && data[i + 3] > 200) ink += 1; }
  return ink; }"""


def inked(page, row, span, view, least=20):
    """Wait until something is drawn on a part of a plot."""
    for _ in range(300):
        if page.evaluate(INK, [row, *span, *view]) >= least:
            return
        page.wait_for_timeout(200)
    pytest.fail(f"nothing is drawn from {span[0]} to {span[1]} s")


def empty(page, row, span, view):
    """Wait until the samples are there instead of a coarser stretch."""
    for _ in range(50):
        if not page.evaluate(INK, [row, *span, *view]):
            return
        page.wait_for_timeout(200)
    pytest.fail(f"something is drawn from {span[0]} to {span[1]} s")


def test_beats_alone_are_reviewed_like_an_ecg(browse, serve, kinds):
    site, page = serve(kinds), browse()
    open_case(page, site, "rr.beats.csv")
    expect(page.locator(".row.ecg .absent")).to_have_attribute(
        "data-rule", "review.beats_only")
    expect(chosen(page)[0]).to_contain_text("detected")
    expect(page.locator(".reasons li").first).to_be_visible()
    page.keyboard.press("5")
    inked(page, "rate", (20, 280), (0, 600))
    inked(page, "close", (1, 9), (0, 10))
    as_reviewer(page)
    page.keyboard.press("a")
    expect(state(page)).to_contain_text("accepted")
    rows = (site.reviews / "tsv/rr.tsv").read_text().splitlines()
    assert [row.split("\t")[:3] for row in rows[1:]] == [
        ["300.00", "60.00", "sz"]]
    untroubled(page, site)


def test_an_unscorable_recording_has_a_notice(browse, serve, kinds):
    site, page = serve(kinds), browse()
    open_case(page, site, "lost.edf")
    expect(page.locator(".heading")).to_contain_text("100 % unscorable")
    expect(page.locator(".notice[data-about=unscorable]")).to_be_visible()
    expect(page.locator(".row.rate .body")).to_have_attribute(
        "aria-label", "0:00:00 to 0:02:00: heart rate unknown")
    page.keyboard.press("n")
    expect(page.locator("#said")).to_contain_text(
        "There is no disagreement")
    untroubled(page, site)


def test_a_gap_stays_empty_at_every_zoom(browse, serve, kinds):
    site, page = serve(kinds), browse()
    for start, stop in ((0, 300), (90, 210), (115, 125), (178, 183)):
        page.goto("about:blank")
        page.goto(f"{site.address}#r={site.keys['gap.edf']}"
                  f"&from={start}&to={stop}&at=5")
        ready(page)
        room = (stop - start) / 100
        if start < GAP[0]:
            inked(page, "ecg", (start, min(GAP[0], stop)), (start, stop))
        if stop > GAP[1]:
            inked(page, "ecg", (GAP[1], stop), (start, stop))
        inside = (max(start, GAP[0]) + room, min(stop, GAP[1]) - room)
        empty(page, "ecg", inside, (start, stop))
    untroubled(page, site)


def test_a_recording_that_was_not_predicted_can_still_be_reviewed(
        browse, serve, kinds):
    site, page = serve(kinds), browse()
    page.goto(site.address)
    expect(page.locator("tr", has_text="asked.edf")).to_contain_text(
        "no prediction")
    page.get_by_role("link", name="asked.edf").click()
    expect(page.locator(".row.chance .absent")).to_be_visible()
    expect(chosen(page)[0]).to_contain_text("not scored")
    as_reviewer(page)
    page.keyboard.press("x")
    expect(state(page)).to_contain_text("rejected")
    rows = (site.reviews / "tsv/asked.tsv").read_text().splitlines()
    assert [row.split("\t")[2] for row in rows[1:]] == ["bckg"]
    untroubled(page, site)
