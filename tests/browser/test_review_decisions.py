"""Deciding takes one key, nothing is lost, and paper is true to scale."""

import json

import pytest
from playwright.sync_api import expect

from aura.review.script import text_of
from tests.browser.pages import (
    as_reviewer,
    chosen,
    open_case,
    ready,
    settled,
    shown,
    state,
    untroubled,
)
from tests.review_runs import alarm, make_run

pytestmark = pytest.mark.browser

SIZES = [(1366, 768), (1440, 900), (2560, 1300)]


def steps(site, name="one"):
    """Action and event of each step on the disk."""
    lines = (site.reviews / f"log/{name}.jsonl").read_text("utf-8")
    return [(step["action"], (step["after"] or step["before"])["key"])
            for step in map(json.loads, lines.splitlines()[1:])]


def box(page, selector):
    return page.locator(selector).bounding_box()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ratio", [1, 1.5, 2])
@pytest.mark.parametrize("size", SIZES)
def test_decision_and_plots_need_no_scrolling(
        browse, serve, run, size, ratio, theme):
    wide, high = size
    site = serve(run)
    page = browse(viewport={"width": wide, "height": high},
                  device_scale_factor=ratio, color_scheme=theme)
    open_case(page, site, "one.edf")
    expect(page.locator(".reasons li").first).to_be_visible()
    for one in (page.get_by_role("button", name="Accept"),
                page.get_by_role("button", name="Reject"),
                page.get_by_label("Note"), page.get_by_label("Reviewer")):
        seen = one.bounding_box()
        assert 0 <= seen["y"] and seen["y"] + seen["height"] <= high
    assert box(page, ".detail")["height"] >= 80
    plots = box(page, ".plots")
    assert .9 * high <= plots["y"] + plots["height"] <= high
    assert page.evaluate("document.documentElement.scrollWidth") == wide
    untroubled(page, site)


def test_each_disagreement_takes_one_key(browse, serve, tmp_path):
    site = serve(make_run(
        tmp_path, {"one": [alarm(6 * n + 2, 2) for n in range(98)]},
        {"one": []}, one={"seconds": 600, "seizure": None}))
    page = browse()
    open_case(page, site, "one.edf")
    as_reviewer(page)
    for n in range(98):
        page.keyboard.press("ax"[n % 2])
    expect(page.get_by_role("button", name="Undecided 0")).to_be_visible()
    for _ in range(100):
        if len(steps(site)) == 98:
            break
        page.wait_for_timeout(100)
    assert [action for action, _ in steps(site)] == ["accept", "reject"] * 49
    assert len({key for _, key in steps(site)}) == 98
    untroubled(page, site)


def test_a_seizure_and_its_alarm_are_one_decision(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    as_reviewer(page)
    page.locator(".event", has_text="detected seizure").click()
    both = {"o300000-60000", "p310000-30000"}
    for keys, decided, action in (
            ("a", 2, "accept"), ("Control+z", 0, "restore"),
            ("Control+Shift+z", 2, "restore"), ("Control+z", 0, "restore")):
        page.keyboard.press(keys)
        expect(page.locator(".event .accepted")).to_have_count(decided)
        last = steps(site)[-2:]
        assert {key for _, key in last} == both
        assert {name for name, _ in last} == {action}
    page.keyboard.press("Control+z")
    expect(page.locator("#said")).to_contain_text("nothing to undo")
    assert len(steps(site)) == 8
    untroubled(page, site)


def test_a_removed_event_comes_back(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "flat.edf")
    as_reviewer(page)
    added = page.locator(".event", has_text="added")
    page.keyboard.press("i")
    expect(added).to_have_count(1)
    page.get_by_label("Note").fill("short")
    page.keyboard.press("Enter")
    expect(page.locator(".trail li")).to_have_count(2)
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(added).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(added).to_have_count(1)
    expect(page.get_by_label("Note")).to_have_value("short")
    page.keyboard.press("Control+z")
    expect(page.get_by_label("Note")).to_have_value("")
    page.keyboard.press("Control+z")
    expect(added).to_have_count(0)
    untroubled(page, site)


def test_drafts_are_kept_until_they_are_saved(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    note = page.get_by_label("Note")
    note.fill("arousal")
    page.keyboard.press("Tab")
    page.locator(".event").last.click()
    expect(note).to_have_value("")
    expect(page.locator(".event", has_text="unsaved")).to_have_count(1)
    page.evaluate(f"location.hash = 'r={site.keys['odd.edf']}'")
    expect(page.locator(".event", has_text="unsaved")).to_have_count(0)
    page.evaluate(f"location.hash = 'r={site.keys['one.edf']}'")
    page.locator(".event", has_text="unsaved").click()
    expect(note).to_have_value("arousal")
    page.evaluate("setTimeout(() => location.reload())")
    page.wait_for_timeout(500)
    # The browser asked, and the test stayed.
    assert page.faults == ["dialog "]
    page.faults.clear()
    expect(note).to_have_value("arousal")
    as_reviewer(page)
    note.fill("movement")
    note.blur()
    page.keyboard.press("x")
    expect(page.locator(".event .rejected")).to_have_count(1)
    step = json.loads((site.reviews / "log/one.jsonl").read_text(
        "utf-8").splitlines()[1])
    assert (step["action"], step["after"]["note"]) == ("reject", "movement")
    page.reload()
    settled(page)
    untroubled(page, site)


def test_the_next_recording_opens_at_its_first_undecided_event(
        browse, serve, run):
    site, page = serve(run), browse()
    page.goto(site.address)
    ready(page)
    names = page.locator("tbody th").all_inner_texts()
    open_case(page, site, "one.edf")
    as_reviewer(page)
    first = chosen(page)[1].inner_text()
    page.keyboard.press("a")
    expect(page.locator(".event .accepted")).to_have_count(1)
    at = names.index("one.edf")
    page.keyboard.press("[")
    expect(page.locator("h1")).to_have_text(names[at - 1])
    page.keyboard.press("]")
    expect(page.locator("h1")).to_have_text("one.edf")
    expect(chosen(page)[0]).to_contain_text("false alarm")
    expect(chosen(page)[1]).not_to_have_text(first)
    for _ in names[at:]:
        page.keyboard.press("]")
        page.wait_for_timeout(500)
    expect(page.locator("h1")).to_have_text(names[-1])
    expect(page.locator(".toast")).to_contain_text("last recording")
    untroubled(page, site)


def test_the_next_event_is_one_of_the_filter(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    page.get_by_role("button", name="TP 1").click()
    page.keyboard.press("n")
    expect(chosen(page)[0]).to_contain_text("detected seizure")
    page.keyboard.press("n")
    expect(page.locator("#said")).to_contain_text("No later event")
    untroubled(page, site)


def test_the_lane_edits_and_adds_by_hand_and_by_key(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    as_reviewer(page)
    page.keyboard.press("5")
    shown(page, lambda start, stop: (start, stop) == (0, 600))
    lane = box(page, ".row.lanes canvas")

    def at(seconds):
        return lane["x"] + 122 + seconds / 600 * (lane["width"] - 136)

    def drag(start, stop):
        page.mouse.move(at(start), lane["y"] + 60)
        page.mouse.down()
        page.mouse.move(at(stop), lane["y"] + 60, steps=6)
        page.mouse.up()

    onset = page.get_by_label("Onset")
    expect(onset).to_have_value("0:01:20.0")
    drag(80, 60)
    expect(onset).to_have_value("0:01:00.0")
    page.keyboard.press("Escape")
    page.mouse.click(at(70), lane["y"] - 60)
    page.keyboard.press("s")
    expect(onset).to_have_value("0:01:10.0")
    page.keyboard.press("Enter")
    expect(state(page)).to_contain_text("edited")
    drag(200, 240)
    added = page.locator(".event", has_text="added")
    expect(added).to_have_count(1)
    expect(onset).to_have_value("0:03:20.0")
    expect(page.get_by_label("Duration (s)")).to_have_value("40")
    assert [action for action, _ in steps(site)] == ["change", "add"]
    untroubled(page, site)


def test_an_event_is_added_where_one_looks(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    as_reviewer(page)
    page.keyboard.press("2")
    page.keyboard.press("End")
    start, stop = shown(page, lambda _, stop: stop == 600)
    page.keyboard.press("i")
    onset = page.get_by_label("Onset")
    expect(page.locator(".event", has_text="added")).to_have_count(1)
    minutes, seconds = onset.input_value().split(":")[1:]
    assert start <= 60 * int(minutes) + float(seconds) <= stop
    untroubled(page, site)


def test_two_fingers_zoom(browse, serve, run):
    site, page = serve(run), browse(has_touch=True)
    open_case(page, site, "one.edf")
    page.keyboard.press("5")
    shown(page, lambda start, stop: (start, stop) == (0, 600))
    plot = box(page, ".row.rate .body")
    session = page.context.new_cdp_session(page)

    def touch(kind, *places):
        session.send("Input.dispatchTouchEvent", {
            "type": kind, "touchPoints": [
                {"x": x, "y": plot["y"] + 40, "id": n}
                for n, x in enumerate(places)]})

    touch("touchStart", 400, 500)
    for apart in range(0, 160, 20):
        touch("touchMove", 400 - apart, 500 + apart)
    touch("touchEnd")
    shown(page, lambda start, stop: 100 < stop - start < 250)
    untroubled(page, site)


def test_the_wheel_scrolls_the_page_beside_the_plots(browse, serve, run):
    site = serve(run)
    page = browse(viewport={"width": 1366, "height": 500})
    open_case(page, site, "one.edf")
    span = shown(page, lambda start, stop: start < stop)
    close = box(page, ".row.close")
    page.mouse.move(close["x"] + 60, 300)
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(800)
    assert page.evaluate("scrollY") > 100
    assert shown(page, lambda start, stop: True) == span
    untroubled(page, site)


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_paper_is_true_to_scale(browse, serve, run, ratio):
    site, page = serve(run), browse(device_scale_factor=ratio)
    open_case(page, site, "one.edf")
    page.get_by_role("button", name="calibrate screen").click()
    bar = box(page, ".ruler")
    page.get_by_label("Length of the bar in mm").fill("80")
    page.get_by_role("button", name="Save").last.click()
    per_mm = bar["width"] / 80
    page.get_by_label("Paper speed").select_option("25 mm/s")
    page.get_by_label("Gain").select_option("10 mm/mV")
    page.wait_for_timeout(500)
    plot = box(page, ".row.close .u-over")
    x, y = plot["x"] + 200, plot["y"] + 40
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20 * per_mm, y + 5 * per_mm, steps=4)
    page.mouse.up()
    # 20 mm at 25 mm/s, and 5 mm at 10 mm/mV.
    expect(page.locator("#said")).to_have_text("800 ms · 75 bpm · 0.5 mV")
    page.get_by_label("Filter", exact=True).select_option("0.5 to 40 Hz")
    page.get_by_label("Mains filter").select_option("50 Hz removed")
    page.get_by_label("invert").check()
    expect(page.locator(".row.close .label")).to_contain_text(
        "25 mm/s, 10 mm/mV, 0.5 to 40 Hz, 50 Hz removed, inverted")
    untroubled(page, site)


FILTERED = """async ([code, given]) => {
  const { filtered } = await import(
    `data:text/javascript,${encodeURIComponent(code)}`);
  const wave = (hz) => Float64Array.from({ length: 2560 },
    (_, n) => Math.sin(2 * Math.PI * hz * n / 256));
  const middle = (values) => Math.max(...values.slice(1000, 1500));
  return [0.05, 10, 50, 100].map((hz) => middle(
    filtered([...wave(hz)], 256, given)));
}"""


@pytest.mark.parametrize("above, below, without, gains", [
    (None, None, None, (1, 1, 1, 1)), (.5, None, None, (0, 1, 1, 1)),
    (.5, 40, None, (0, 1, .29, 0)), (None, None, 50, (1, 1, 0, 1))])
def test_filters_remove_what_they_name(browse, above, below, without, gains):
    found = browse().evaluate(FILTERED, [text_of("filters.js"), {
        "above": above, "below": below, "without": without}])
    wave = (.05, 10, 50, 100)
    assert found == pytest.approx([
        gain if hz > 1 or gain == 0 else found[0]
        for hz, gain in zip(wave, gains, strict=True)], abs=.06)


def test_filters_keep_gaps_and_places(browse):
    values = [0.0] * 300 + [1.0] + [0.0] * 299 + [None, None] + [0.0] * 50
    found = browse().evaluate("""async ([code, values]) => {
      const { filtered } = await import(
        `data:text/javascript,${encodeURIComponent(code)}`);
      return filtered(values, 256,
        { above: .5, below: 40, without: 50 }); }""",
                              [text_of("filters.js"), values])
    assert found[600:602] == [None, None]
    assert max(range(600), key=lambda n: found[n]) == 300
    assert found[602:] == [0.0] * 50


def test_terms_are_explained_on_focus(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    first = page.locator(".reasons li").first
    expect(first.locator(".meaning")).to_be_hidden()
    first.focus()
    expect(first.locator(".meaning")).to_contain_text("hr_rise")
    untroubled(page, site)
