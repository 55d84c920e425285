"""Steps that the tests of the review page share."""

import re

import pytest
from playwright.sync_api import expect

HOSTILE = '<img src=x onerror=alert(1)>"\'</script><b>&amp;'
SENTENCE = re.compile(r"^[A-Z].*[.]$", re.S)
LOOK = "document.dispatchEvent(new Event('visibilitychange'))"


def ready(page):
    """Wait until the page shows something; its policy forbids polling."""
    expect(page.locator("html[data-ready=yes]")).to_be_attached()


def settled(page):
    """Wait until everything is loaded."""
    ready(page)
    expect(page.get_by_text("Loading …")).to_have_count(0)
    expect(page.locator(".row.rate .body")).to_have_attribute(
        "aria-label", re.compile("heart rate"))


def open_case(page, site, name):
    page.goto(f"{site.address}#r={site.keys[name]}")
    settled(page)
    expect(page.locator(".stack")).to_be_visible()


def chosen(page):
    """Outcome and times of the selected event: for `expect`."""
    return page.locator(".detail .chosen"), page.locator(".detail .times")


def state(page):
    """The decision on the selected event: for `expect`."""
    return page.locator(".deciding .state")


def as_reviewer(page, name="Dr. Ångström"):
    page.get_by_label("Reviewer").fill(name)
    page.get_by_label("Reviewer").press("Escape")


def shown(page, fits):
    """The shown time range, once it fits; the address changes later."""
    span = None
    for _ in range(600):
        found = re.search(r"from=([\d.]+)&to=([\d.]+)", page.url)
        if found is not None:
            span = float(found[1]), float(found[2])
            if fits(*span):
                return span
        page.wait_for_timeout(100)
    pytest.fail(f"the page shows {span}")


def meter(page):
    """A function that returns the CPU seconds of the page's main thread."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics
                    if one["name"] == "TaskDuration")

    return spent


def untroubled(page, site=None):
    """Check for blocked or failed requests, and requests to other sites."""
    assert page.faults == []
    if site is not None:
        assert all(url.startswith(site.address) for url in page.asked)


class Held:
    """Requests that wait until the test lets them through."""

    def __init__(self, page, pattern, method):
        self.page, self.method, self.routes = page, method, []
        self.free_now = False
        page.route(pattern, self._take)

    def _take(self, route):
        if route.request.method == self.method and not self.free_now:
            self.routes.append(route)
        else:
            route.fallback()

    def wait(self):
        """Wait until a request is held."""
        for _ in range(600):
            if self.routes:
                return
            self.page.wait_for_timeout(100)
        pytest.fail(f"no {self.method} was sent")

    def let(self):
        """Let the next request through."""
        self.wait()
        self.routes.pop(0).continue_()

    def free(self):
        """Let all through from now on."""
        self.free_now = True
        while self.routes:
            self.routes.pop(0).continue_()
