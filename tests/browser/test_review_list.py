"""The worklist shows what is to be done, and finds its place again."""

import pytest
from playwright.sync_api import expect

from tests.browser.pages import as_reviewer, ready, settled, untroubled
from tests.review_runs import alarm, make_run

pytestmark = pytest.mark.browser

NAMES = [f"sub-{patient:02d}/ses-{session:02d}/ecg/sub-{patient:02d}_"
         f"ses-{session:02d}_task-szMonitoring_run-01_ecg"
         for patient in (1, 2) for session in (1, 2, 3)]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two patients; only the last recording of each has alarms."""
    return make_run(
        tmp_path_factory.mktemp("study"),
        {name.rpartition("/")[2]: [alarm(20, 5)] * (2 if n == 5 else n == 2)
         for n, name in enumerate(NAMES)}, None,
        **{name: {"seconds": 120, "seizure": None} for name in NAMES})


def listed(page):
    """Titles of the links, in order."""
    return page.locator("tbody a").evaluate_all(
        "links => links.map((one) => one.title.slice(0, 13))")


@pytest.mark.parametrize("size", [(1366, 768), (1440, 900), (2560, 1300)])
def test_no_column_is_cut_off_by_long_names(browse, serve, study, size):
    site = serve(study)
    page = browse(viewport={"width": size[0], "height": size[1]})
    page.goto(site.address)
    ready(page)
    assert page.evaluate("""() => {
      const table = document.querySelector('.scroll');
      return table.scrollWidth - table.clientWidth; }""") <= 0
    shown = page.locator("tbody a").last.inner_text()
    assert shown.startswith("sub-02/ses-03") and shown.endswith("_ecg.edf")
    untroubled(page, site)


def test_order_search_and_place_are_kept_on_back(browse, serve, study):
    site = serve(study)
    page = browse(viewport={"width": 1366, "height": 400})
    page.goto(site.address)
    ready(page)
    page.get_by_label("Sort by").select_option("undecided events")
    assert listed(page)[:2] == ["sub-02/ses-03", "sub-01/ses-03"]
    page.get_by_label("Sort by").select_option("patient")
    expect(page.locator("tr.group").last).to_contain_text(
        "3 recordings, 2 undecided events")
    page.get_by_label("Search").fill("ses-03")
    expect(page.locator("tbody a")).to_have_count(2)
    page.evaluate("scrollTo(0, 60)")
    page.locator("tbody a").last.click()
    expect(page.locator(".stack")).to_be_visible()
    settled(page)
    page.go_back()
    expect(page.locator("tbody a")).to_have_count(2)
    expect(page.get_by_label("Search")).to_have_value("ses-03")
    expect(page.get_by_label("Sort by")).to_have_value("patient")
    assert page.evaluate("scrollY") == 60
    page.reload()
    expect(page.locator("tbody a")).to_have_count(2)
    untroubled(page, site)


def test_the_list_shows_how_much_of_the_study_is_decided(
        browse, serve, study):
    site, page = serve(study), browse()
    page.goto(site.address)
    ready(page)
    expect(page.locator(".summary")).to_contain_text(
        "0 of 3 events decided, 2 recordings to do")
    page.locator("tbody a").nth(2).click()
    settled(page)
    as_reviewer(page)
    page.keyboard.press("i")
    expect(page.locator(".event", has_text="added")).to_have_count(1)
    page.get_by_text("All recordings").click()
    # An added event is no decision on an event that was given.
    expect(page.locator(".summary")).to_contain_text("0 of 3 events decided")
    page.locator("tbody a").nth(2).click()
    settled(page)
    page.keyboard.press("x")
    expect(page.locator(".event .rejected")).to_have_count(1)
    page.get_by_text("All recordings").click()
    expect(page.locator(".summary")).to_contain_text(
        "1 of 3 events decided, 1 recording to do")
    untroubled(page, site)


def test_a_name_that_is_written_backwards_is_shown_with_its_codes(
        browse, serve, tmp_path):
    site = serve(make_run(tmp_path, {}, None, **{
        "a\u202efde": {"seconds": 120, "seizure": None}}))
    page = browse()
    page.goto(site.address)
    page.locator("tbody a").click()
    settled(page)
    expect(page.locator("h1")).to_have_text(r"a\u202efde.edf")
    assert "\u202e" not in page.title() + page.locator("body").inner_text()
    untroubled(page, site)
