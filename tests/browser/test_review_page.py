"""The review page in a real browser, from opening to the file on disk."""

import json
import re

import edfio
import pytest
from playwright.sync_api import expect

from aura.recording import Event
from aura.review.document import write_document
from aura.review.script import text_of
from tests.browser.pages import (
    HOSTILE,
    SENTENCE,
    Held,
    as_reviewer,
    chosen,
    meter,
    open_case,
    ready,
    settled,
    shown,
    state,
    untroubled,
)
from tests.review_runs import make_run

pytestmark = pytest.mark.browser


def test_open_jump_edit_reload_and_the_file_is_right(browse, serve, run):
    site, page = serve(run), browse()
    page.goto(site.address)
    page.get_by_role("link", name="one.edf").click()
    settled(page)
    outcome, times = chosen(page)
    expect(outcome).to_contain_text("false alarm")
    page.keyboard.press("n")
    expect(outcome).to_contain_text("false alarm")
    expect(times).to_contain_text("20 s")
    expect(page.locator("#said")).to_contain_text("2 of 2")
    as_reviewer(page)
    page.get_by_label("Onset").fill("0:08:21.5")
    page.get_by_label("Duration (s)").fill("12.5")
    page.get_by_label("Label").fill("発作 приступ")
    page.get_by_label("Note").fill("left arm")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".trail li")).to_have_count(1)
    page.reload()
    settled(page)
    page.locator(".event", has_text="発作").click()
    expect(page.get_by_label("Note")).to_have_value("left arm")
    expect(page.locator(".trail")).to_contain_text("by Dr. Ångström")
    rows = [row.split("\t") for row in (
        site.reviews / "tsv/one.tsv").read_text("utf-8").splitlines()]
    assert [row[:3] for row in rows[1:]] == [
        ["300.00", "60.00", "sz"], ["501.50", "12.50", "発作 приступ"]]
    noted = edfio.read_edf(site.reviews / "edf/one.edf").annotations
    assert [(one.onset, one.duration, one.text) for one in noted] == [
        (300, 60, "sz"), (501.5, 12.5, "発作 приступ")]
    step = json.loads((site.reviews / "log/one.jsonl").read_text(
        "utf-8").splitlines()[1])
    assert (step["reviewer"], step["before"]["onset_s"],
            step["after"]["onset_s"]) == ("Dr. Ångström", 500.0, 501.5)
    untroubled(page, site)


def test_everything_works_by_keyboard_alone(browse, serve, run):
    site, page = serve(run), browse()
    page.goto(site.address)
    ready(page)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "one.edf":
            break
    outline = page.evaluate(
        "getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator(".stack")).to_be_visible()
    settled(page)
    times = chosen(page)[1]
    first = times.inner_text()
    page.keyboard.press("n")
    expect(times).not_to_have_text(first)
    page.keyboard.press("p")
    expect(times).to_have_text(first)
    page.keyboard.press("a")
    expect(page.get_by_label("Reviewer")).to_be_focused()
    page.keyboard.type("Ana")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(times).not_to_have_text(first)
    page.keyboard.press("x")
    expect(state(page)).to_contain_text("rejected")
    page.keyboard.press("u")
    expect(state(page)).to_contain_text("undecided")
    page.keyboard.press("e")
    expect(page.get_by_label("Onset")).to_be_focused()
    page.keyboard.type("0:01:30.0")
    page.keyboard.press("Enter")
    expect(state(page)).to_contain_text("edited")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.locator(".event", has_text="added")).to_have_count(1)
    assert len((site.reviews / "log/one.jsonl").read_text().splitlines()) == 6
    untroubled(page, site)


def test_zoom_pan_and_drag(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    page.keyboard.press("2")
    start, _ = shown(page, lambda start, stop: (
        stop - start == pytest.approx(60, abs=.2)))
    page.keyboard.press("ArrowRight")
    shown(page, lambda now, _: now == pytest.approx(start + 12, abs=.2))
    page.keyboard.press("+")
    start, _ = shown(page, lambda start, stop: (
        stop - start == pytest.approx(30, abs=.2)))
    box = page.locator(".row.rate").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 500, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, middle, steps=5)
    page.mouse.up()
    shown(page, lambda now, _: now > start + 4)
    page.mouse.wheel(0, 600)
    shown(page, lambda start, stop: stop - start > 60)
    page.keyboard.press("5")
    shown(page, lambda start, stop: (start, stop) == (0, 600))
    untroubled(page, site)


def test_a_drag_of_the_bar_changes_the_event(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    as_reviewer(page)
    onset = page.get_by_label("Onset")
    expect(onset).to_have_value("0:01:20.0")
    onset.fill("0:01:30.0")
    page.keyboard.press("Escape")
    expect(onset).to_have_value("0:01:20.0")
    onset.fill("0:01:25.0")
    expect(page.locator(".save")).to_be_enabled()
    onset.evaluate("one => one.blur()")
    page.keyboard.press("5")
    box = page.locator(".row.lanes canvas").bounding_box()

    def at(seconds):
        return box["x"] + 122 + seconds / 600 * (box["width"] - 136)

    page.mouse.move(at(100), box["y"] + 60)
    page.mouse.down()
    page.mouse.move(at(150), box["y"] + 60, steps=8)
    page.mouse.up()
    expect(onset).to_have_value(re.compile(r"0:02:1[3-6]\.\d"))
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".trail li")).to_have_count(1)
    step = json.loads((site.reviews / "log/one.jsonl").read_text(
        "utf-8").splitlines()[1])
    assert step["after"]["onset_s"] == pytest.approx(135, abs=2)
    assert step["after"]["duration_s"] == pytest.approx(30, abs=.3)
    untroubled(page, site)


def test_two_tabs_do_not_lose_each_others_decisions(browse, serve, run):
    site, one = serve(run), browse()
    open_case(one, site, "one.edf")
    other = one.context.new_page()
    open_case(other, site, "one.edf")
    # The other tab gets no update until it decides itself.
    news = Held(other, "**/review", "GET")
    posts = Held(other, "**/review", "POST")
    as_reviewer(one, "Ana")
    one.keyboard.press("a")
    expect(one.locator(".event .accepted")).to_have_count(1)
    as_reviewer(other, "Ben")
    other.keyboard.press("x")
    posts.wait()
    for held in (news, posts):
        held.free()
    expect(other.locator(".toast")).to_have_attribute(
        "data-rule", "review.conflict")
    expect(state(other)).to_contain_text("by Ana")
    other.keyboard.press("n")
    other.keyboard.press("x")
    expect(state(other)).to_contain_text("by Ben")
    steps = [json.loads(line) for line in (
        site.reviews / "log/one.jsonl").read_text().splitlines()[1:]]
    assert [(step["reviewer"], step["action"]) for step in steps] == [
        ("Ana", "accept"), ("Ben", "reject")]


def test_hostile_labels_are_text(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "odd.edf")
    expect(page.locator(".event", has_text=HOSTILE)).to_have_count(1)
    page.locator(".event", has_text=HOSTILE).click()
    as_reviewer(page, HOSTILE)
    page.get_by_label("Note").fill(HOSTILE)
    page.get_by_label("Label").fill(HOSTILE[:60])
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".trail")).to_contain_text(f"by {HOSTILE}")
    assert page.locator("main img, main script, main b > b").count() == 0
    page.wait_for_timeout(300)
    untroubled(page, site)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(browse, serve, run, theme):
    site, page = serve(run), browse(color_scheme=theme)
    page.goto(site.address)
    ready(page)
    assert page.evaluate(CONTRAST) == []
    open_case(page, site, "one.edf")
    expect(page.locator(".reasons li").first).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    page.keyboard.press("t")
    other = {"light": "dark", "dark": "light"}[theme]
    assert page.evaluate("document.documentElement.dataset.theme") == other
    page.wait_for_timeout(300)
    assert page.evaluate(CONTRAST) == []
    untroubled(page, site)


# Dark pixels of the ECG.
INK = """() => { const canvas = document.querySelector('.row.ecg canvas');
  const { data } = canvas.getContext('2d').getImageData(
    0, 0, canvas.width, canvas.height);
  let ink = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] < 70 && data[i + 3] > 200) ink += 1; }
  return ink; }"""

# Texts whose contrast is below that of WCAG 2.2 AA.
CONTRAST = """() => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d',
    { willReadFrequently: true });
  const rgba = (text) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255]; };
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map((v) => {
    const s = v / 255; return s <= .04045 ? s / 12.92
      : ((s + .055) / 1.055) ** 2.4; });
    return .2126 * x + .7152 * y + .0722 * z; };
  const behind = (node) => { let seen = [];
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) seen.push(colour);
      if (colour[3] === 1) break; }
    return seen.reverse().reduce((under, over) => [0, 1, 2].map(
      (n) => over[n] * over[3] + under[n] * (1 - over[3])),
      [255, 255, 255]); };
  const bad = [];
  const walk = document.createTreeWalker(document.body,
    NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) { const node = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || !node.checkVisibility({ opacityProperty: true })
      || node.closest('.unseen, button:disabled, script, datalist')) continue;
    const style = getComputedStyle(node);
    const back = behind(node); const front = rgba(style.color);
    let alpha = 1;
    for (let at = node; at; at = at.parentElement) {
      alpha *= Number(getComputedStyle(at).opacity); }
    const mixed = [0, 1, 2].map((n) => front[n] * alpha
      + back[n] * (1 - alpha));
    const [a, b] = [light(mixed), light(back)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) bad.push(`${text.slice(0, 30)} ${ratio.toFixed(2)}`); }
  return bad; }"""


def test_every_control_has_a_name(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    expect(page.locator(".row.rate .body")).to_have_attribute(
        "aria-label", re.compile("bpm"))
    nameless = page.evaluate("""() => [...document.querySelectorAll(
        'button, a, input, [role=img], [role=listbox], section')].filter(
        (one) => !(one.getAttribute('aria-label') || one.textContent.trim()
          || one.labels?.length)).map((one) => one.outerHTML)""")
    assert nameless == []
    assert page.locator("h1").count() == 1


def test_one_file_shows_the_same_without_a_server(
        browse, serve, run, tmp_path):
    site = serve(run)
    content = write_document(site.service, site.keys["odd.edf"])
    path = tmp_path / "odd.html"
    path.write_bytes(content)
    page = browse(offline=True)
    page.goto(path.as_uri())
    ready(page)
    expect(page.locator(".event")).to_have_count(2)
    page.keyboard.press("n")
    expect(chosen(page)[0]).to_contain_text("missed")
    expect(page.locator(".reasons li").first).to_be_visible()
    page.keyboard.press("2")
    for _ in range(300):
        if page.evaluate(INK) > 2000:
            break
        page.wait_for_timeout(200)
    else:
        pytest.fail("no ECG was drawn")
    assert page.locator("button", has_text="Accept").count() == 0
    assert [url for url in page.asked
            if not url.startswith(("file:", "data:"))] == []
    untroubled(page)


# What the page would draw of 10 s if only a coarse tile can be had.
COARSE_ONLY = """async ([code, refusal]) => {
  const { Waveform } = await import(
    `data:text/javascript,${encodeURIComponent(code)}`);
  const coarse = { head: { scale: 1, offset: 0 }, columns: {
    low: new Int16Array(2048).fill(-1), high: new Int16Array(2048).fill(1) } };
  const frame = async (key, name) => {
    if (name.startsWith('ecg/1024/')) return coarse;
    return refusal === null ? new Promise(() => {}) : Promise.reject(refusal);
  };
  const wave = new Waveform({ editable: refusal?.status !== 404, frame }, {
    key: 1, fs_hz: 256, waveform: { samples: 256 * 7200, buckets: 2048,
      factors: [1, 4, 16, 64, 256, 1024], problem: null } }, () => {});
  wave.tile(1024, 0);
  wave.view(100, 110, 1000);
  for (let i = 0; i < 20; i += 1) await null;
  const { line, columns, missing } = wave.view(100, 110, 1000);
  return [line[1].filter((one) => one !== null).length, columns[1].length > 0,
    missing.map(({ from, to, why }) => [Math.round(to - from), why])];
}"""


@pytest.mark.parametrize("refusal, why", [
    (None, "loading"), ({"status": 404}, "samples are not in this file"),
    ({"status": 0, "message": "gone"}, "not loaded: gone")])
def test_a_coarse_tile_is_never_drawn_as_a_line(
        browse, refusal, why):
    code = text_of("waveform.js")
    assert browse().evaluate(COARSE_ONLY, [code, refusal]) == [
        0, True, [[10, why]]]


def test_a_stopped_server_is_told_in_the_plot_until_it_is_back(
        browse, serve, run):
    site, page = serve(run), browse()
    page.route("**/ecg/**", lambda route: route.abort())
    open_case(page, site, "one.edf")
    ecg = page.locator(".row.ecg .body")
    expect(ecg).to_have_attribute("aria-label", re.compile("not loaded"))
    page.unroute("**/ecg/**")
    expect(ecg).to_have_attribute("aria-label", "ECG")


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_texts_of_the_plots_have_one_size_on_every_screen(
        browse, serve, run, ratio):
    site, page = serve(run), browse(device_scale_factor=ratio)
    page.add_init_script("""window.sizes = new Set();
      const write = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (...given) {
        const { a } = this.getTransform();
        sizes.add(a * parseFloat(this.font) / devicePixelRatio);
        return write.apply(this, given);
      };""")
    open_case(page, site, "one.edf")
    page.keyboard.press("1")
    page.wait_for_timeout(1000)
    sizes = page.evaluate("[...sizes]")
    assert sizes and 10 <= min(sizes) and max(sizes) <= 13
    untroubled(page, site)


@pytest.mark.parametrize("name, notices, sought", [
    ("blank.edf", 1, "alarm"), ("flat.edf", 0, "disagreement")])
def test_recordings_without_events_are_shown(
        browse, serve, run, name, notices, sought):
    site, page = serve(run), browse()
    open_case(page, site, name)
    expect(page.locator(".notice[data-about=not-annotated]")).to_have_count(
        notices)
    expect(page.locator(".event")).to_have_count(0)
    page.keyboard.press("n")
    expect(page.locator("#said")).to_contain_text(f"There is no {sought}")
    untroubled(page, site)


def test_a_moved_recording_and_lost_tables_are_reported(browse, serve, run):
    (run / ".aura/inputs.json").write_text('{"0": "/nowhere"}')
    batch = run / ".aura/runs/local/batches/0000"
    (batch / "beats.parquet").unlink()
    (batch / "predictions.parquet").write_bytes(b"")
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    expect(page.locator(".row.ecg .absent")).to_have_text(SENTENCE)
    expect(page.locator(".notice[data-about=warnings]")).to_be_visible()
    expect(page.locator(".event")).to_have_count(4)
    untroubled(page, site)


def test_an_unknown_recording_is_reported(browse, serve, run):
    site, page = serve(run), browse()
    page.goto(f"{site.address}#r=0")
    ready(page)
    expect(page.locator(".failed p[data-rule='review.no_case']")
           ).to_have_text(SENTENCE)
    assert len(page.faults) == 1 and "404" in page.faults[0]


def test_the_page_fits_on_a_phone(browse, serve, run):
    site = serve(run)
    page = browse(viewport={"width": 360, "height": 740})
    wide = "document.documentElement.scrollWidth"
    page.goto(site.address)
    page.get_by_role("link", name="one.edf").wait_for()
    assert page.evaluate(wide) == 360
    open_case(page, site, "one.edf")
    assert page.evaluate(wide) == 360
    untroubled(page, site)


def test_ten_thousand_events_are_listed_and_jumped_through(
        browse, serve, tmp_path):
    events = [Event(.05 * n + 1, .02, "sz", .5) for n in range(10_000)]
    site = serve(make_run(tmp_path, {"one": events},
                          {"one": []}, one={"seconds": 600}))
    page = browse()
    open_case(page, site, "one.edf")
    expect(page.get_by_role("button", name="FP 10000")).to_be_visible()
    assert page.locator(".event").count() < 60
    page.get_by_role("listbox").press("End")
    expect(page.locator(".event[aria-selected=true]")).to_have_attribute(
        "aria-posinset", "10000")
    page.keyboard.press("5")
    page.keyboard.press("p")
    expect(page.locator("#said")).to_contain_text("9999 of 10000")
    spent = meter(page)
    for _ in range(20):
        page.keyboard.press("p")
    expect(page.locator("#said")).to_contain_text("9979 of 10000")
    assert spent() < 20 * .2
    untroubled(page, site)
