"""A headless Chromium, and the page served from real runs."""

import os
import shutil
import threading
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect, sync_playwright

from aura.recording import Event
from aura.review.app import PageServer
from aura.review.guard import Access
from aura.review.service import ReviewService
from tests.browser.pages import HOSTILE
from tests.review_runs import alarm, make_run, opened

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--disable-sync"]
PATIENCE_MS = 60_000
SIZE = {"width": 1440, "height": 940}


@pytest.fixture(scope="session")
def chromium():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as tool:
        made = tool.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def browse(chromium):
    """Makes pages that record errors, violations and all requests."""
    contexts = []

    def make(**options):
        context = chromium.new_context(**{"viewport": SIZE, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.faults, page.asked = [], []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda message: message.type == "error"
                and page.faults.append(message.text))
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("dialog", lambda dialog: (
            page.faults.append(f"dialog {dialog.message}"),
            dialog.dismiss()))
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def serve():
    """Serves the runs of a folder; gives the address and the service."""
    running = []

    def start(out):
        service = ReviewService(opened(out))
        server = PageServer(service, Access(), 0)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return SimpleNamespace(
            address=server.address, service=service, reviews=out / ".review",
            keys={one["path"]: one["key"]
                  for one in service.listing()["cases"]})

    yield start
    for server, _ in running:
        server.stop()
    for _, thread in running:
        thread.join()


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    return make_run(
        tmp_path_factory.mktemp("run"),
        {"one": [alarm(80), alarm(310), alarm(500, 20)], "blank": [],
         "odd": [Event(100.0, 20.0, "sz", .5)], "flat": []},
        {"odd": [Event(300.0, 60.0, f"sz_{HOSTILE}")], "blank": None},
        one={}, blank={"seed": 2, "seconds": 120, "seizure": None},
        odd={"seed": 3},
        flat={"seed": 4, "seconds": 120, "seizure": None})


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made, tmp_path / "out")
    return tmp_path / "out"
