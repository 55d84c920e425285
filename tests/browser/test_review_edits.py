"""No input and no decision on the review page is lost."""

import json

import pytest
from playwright.sync_api import expect

from aura.review.audit_trail import Change
from tests.browser.pages import (
    LOOK,
    SENTENCE,
    Held,
    as_reviewer,
    chosen,
    open_case,
    ready,
    settled,
    state,
    untroubled,
)

pytestmark = pytest.mark.browser


def steps(site, name="one"):
    """Reviewer and action of each step on the disk."""
    lines = (site.reviews / f"log/{name}.jsonl").read_text("utf-8")
    return [(step["reviewer"], step["action"])
            for step in map(json.loads, lines.splitlines()[1:])]


def ben(site, number, action="accept"):
    """Another reviewer decides on an event, in order of time."""
    key = site.keys["one.edf"]
    detail = site.service.detail(key)
    site.service.change(key, Change(
        detail["review"]["version"], "Ben", action,
        detail["marks"][number]["key"]))


def test_input_is_kept_when_reasons_arrive_later(browse, serve, run):
    site, page = serve(run), browse()
    reasons = Held(page, "**/reasons", "GET")
    page.goto(f"{site.address}#r={site.keys['one.edf']}")
    ready(page)
    reviewer = page.get_by_label("Reviewer")
    reviewer.click()
    page.keyboard.type("Ana")
    expect(page.get_by_text("Loading …")).to_be_visible()
    reasons.let()
    expect(page.locator(".reasons li").first).to_be_visible()
    expect(reviewer).to_be_focused()
    page.keyboard.type(" Bell")
    expect(reviewer).to_have_value("Ana Bell")
    page.unroute_all()
    page.reload()
    settled(page)
    expect(reviewer).to_have_value("Ana Bell")
    untroubled(page, site)


def test_updates_keep_unfinished_input(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    page.get_by_label("Reviewer").click()
    page.keyboard.type("An")
    ben(site, 3)
    page.evaluate(LOOK)
    expect(page.get_by_role("button", name="Undecided 2")).to_be_visible()
    page.keyboard.type("a")
    page.get_by_label("Onset").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("0:01:")
    expect(page.locator(".wrong")).to_contain_text("0:15:41.0")
    ben(site, 1)
    page.evaluate(LOOK)
    expect(page.get_by_role("button", name="Undecided 1")).to_be_visible()
    page.keyboard.type("30")
    page.keyboard.press("Enter")
    expect(page.locator(".trail li")).to_have_count(1)
    assert steps(site) == [
        ("Ben", "accept"), ("Ben", "accept"), ("Ana", "change")]
    expect(page.get_by_label("Onset")).to_have_value("0:01:30.0")
    untroubled(page, site)


def test_decisions_in_quick_succession_are_all_saved(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    as_reviewer(page, "Ana")
    posts = Held(page, "**/review", "POST")
    for key in "anx":
        page.keyboard.press(key)
    posts.let()
    posts.let()
    expect(state(page)).to_contain_text("rejected")
    expect(page.get_by_role("button", name="Undecided 1")).to_be_visible()
    assert steps(site) == [("Ana", "accept"), ("Ana", "reject")]
    page.keyboard.press("p")
    expect(state(page)).to_contain_text("accepted")
    untroubled(page, site)


def test_decisions_queued_after_a_conflict_are_dropped(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    as_reviewer(page, "Ana")
    posts = Held(page, "**/review", "POST")
    first = chosen(page)[1].inner_text()
    for key in "apx":
        page.keyboard.press(key)
    expect(chosen(page)[1]).not_to_have_text(first)
    page.keyboard.press("a")
    posts.wait()
    ben(site, 0, "reject")
    posts.let()
    expect(page.locator(".toast[data-rule='review.conflict']")
           ).to_have_attribute("data-dropped", "1")
    posts.let()
    expect(state(page)).to_contain_text("by Ana")
    assert steps(site) == [("Ben", "reject"), ("Ana", "accept")]
    page.keyboard.press("p")
    expect(state(page)).to_contain_text("by Ben")


def test_an_edit_does_not_hide_changes_by_others(
        browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    as_reviewer(page, "Ana")
    page.get_by_label("Note").fill("arousal")
    ben(site, 0, "reject")
    page.evaluate(LOOK)
    expect(state(page)).to_contain_text("by Ben")
    page.get_by_label("Note").press("Enter")
    expect(page.locator(".toast")).to_have_attribute(
        "data-rule", "review.conflict")
    expect(page.get_by_label("Note")).to_have_value("arousal")
    page.get_by_label("Note").press("Enter")
    expect(state(page)).to_contain_text("by Ana")
    assert steps(site) == [("Ben", "reject"), ("Ana", "change")]


def test_buttons_keep_the_focus_when_they_are_replaced(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    as_reviewer(page)
    page.get_by_role("button", name="Accept").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".event .accepted")).to_have_count(1)
    expect(state(page)).to_contain_text("undecided")
    page.keyboard.press("Enter")
    expect(state(page)).to_contain_text("accepted")
    expect(page.get_by_role("button", name="Accept")).to_be_focused()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    untroubled(page, site)


def test_a_seizure_can_be_added_where_there_is_no_event(browse, serve, run):
    site, page = serve(run), browse()
    open_case(page, site, "flat.edf")
    page.keyboard.press("i")
    expect(page.get_by_label("Reviewer")).to_be_focused()
    page.keyboard.type("Ana")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    event = page.locator(".event", has_text="added")
    expect(event).to_have_count(1)
    expect(event).not_to_contain_text("edited")
    expect(state(page)).not_to_contain_text("edited")
    page.get_by_label("Duration (s)").fill("12")
    page.get_by_role("button", name="Save").click()
    expect(event).to_contain_text("edited")
    assert steps(site, "flat") == [("Ana", "add"), ("Ana", "change")]
    untroubled(page, site)


def test_all_decisions_are_counted(browse, serve, run):
    site, page = serve(run), browse()
    for turn in range(70):
        for number in range(3):
            ben(site, number, ("accept", "reject")[turn % 2])
    page.goto(f"{site.address}#r={site.keys['one.edf']}&from=0&to=60")
    settled(page)
    expect(page.locator(".empty .saved")).to_contain_text("210 decisions")
    untroubled(page, site)


def test_a_damaged_audit_trail_locks_only_its_recording(
        browse, serve, run):
    log = run / ".review/log"
    log.mkdir(parents=True)
    (log / "one.jsonl").write_text("{")
    site, page = serve(run), browse()
    open_case(page, site, "one.edf")
    expect(page.locator(".notice[data-about=read-only]")).to_have_text(
        SENTENCE)
    assert page.get_by_role("button", name="Accept").count() == 0
    page.evaluate(f"location.hash = 'r={site.keys['odd.edf']}'")
    expect(page.get_by_role("button", name="Accept")).to_be_visible()
    untroubled(page, site)
