"""
How fast the review page opens and pans, in a headless Chromium.

    python -m benchmarks.review [DIR ...]

DIR is what ``aura predict`` has written; else 24 h of synthetic ECG are
predicted first. A page counts as open when ECG, heart rate and score
are drawn, from the start of the navigation on. A frame of a pan is all
script of one animation frame, drawing calls included. Beside the time on the
clock stands the CPU time of the page's main thread, which other work on the
machine does not lengthen as much: per frame while panning without a pause,
and for all of an opening.
"""

import shutil
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from aura.review.app import PageServer
from aura.review.service import ReviewService
from aura.review.guard import Access
from aura.review.worklist import beside_predictions
from aura.runners import local
from aura.settings import Settings

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--disable-sync"]
OPENINGS = 5
FRAMES = 120
WIDTHS = (("10 s", 10), ("10 min", 600), ("1 h", 3600), ("8 h", 28_800))

# Time of every animation frame's script, what it leaves to do included.
WATCH = """(() => { const ask = requestAnimationFrame; window.costs = [];
  window.requestAnimationFrame = (work) => ask((now) => {
    const begin = performance.now(); work(now);
    queueMicrotask(() => queueMicrotask(() => window.costs.push(
      performance.now() - begin))); }); })()"""
PAN = """async ([frames, step]) => {
  const stack = document.querySelector('.stack');
  const next = () => new Promise((done) => requestAnimationFrame(done));
  window.costs.length = 0;
  for (let n = 0; n < frames; n += 1) {
    stack.dispatchEvent(new WheelEvent('wheel', { deltaY: step,
      shiftKey: true, bubbles: true, cancelable: true }));
    await next(); }
  return window.costs.filter((cost) => cost > .2); }"""


def main(folders: list[str] | None = None) -> None:
    """Print a table for each folder."""
    given = sys.argv[1:] if folders is None else folders
    if given and not Path(given[0]).is_dir():
        given = []
    with tempfile.TemporaryDirectory() as made, sync_playwright() as tool:
        browser = tool.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for folder in given or [_synthetic(Path(made))]:
            _measure(browser, Path(folder))
        browser.close()


def _synthetic(made: Path) -> str:
    from benchmarks import recordings
    local.predict([recordings.single(24)], recordings.model(), made,
                  Settings(workers=1))
    return str(made)


def _measure(browser: Any, folder: Path) -> None:
    service = ReviewService(beside_predictions(folder))
    longest = max(service.listing()["cases"],
                  key=lambda one: one["duration_s"])
    key, length = longest["key"], longest["duration_s"]
    server = PageServer(service, Access(), 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    print(f"{longest['path']}, {length / 3600:.1f} h")
    try:
        opened = [_open(browser, server, key) for _ in range(OPENINGS)]
        wall, cpu = zip(*opened, strict=True)
        print(f"  opens in {statistics.median(wall):.0f} ms (median of "
              f"{OPENINGS}; first {wall[0]:.0f}, best {min(wall):.0f}), CPU "
              f"{statistics.median(cpu):.0f} ms")
        for name, width in WIDTHS:
            if width <= length / 2:
                _pan(browser, server, key, name, width, length)
    finally:
        server.stop()
        thread.join()


def _page(browser: Any, address: str) -> tuple[Any, Callable[[], float]]:
    """A page, and what asks for its main thread's CPU time in ms."""
    page = browser.new_page(viewport={"width": 1440, "height": 940})
    page.set_default_timeout(120_000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(1000.0 * one["value"] for one in metrics
                    if one["name"] == "TaskDuration")

    page.add_init_script(WATCH)
    page.goto(address)
    page.locator("html[data-ready=yes]").wait_for(state="attached")
    return page, spent


def _open(browser: Any, server: PageServer, key: str) -> tuple[float, float]:
    page, spent = _page(browser, f"{server.address}#r={key}")
    while not page.evaluate("performance.getEntriesByName('shown').length"):
        page.wait_for_timeout(20)
    cpu = spent()
    shown: float = page.evaluate(
        "performance.getEntriesByName('shown')[0].startTime")
    page.close()
    return shown, cpu


def _pan(browser: Any, server: PageServer, key: str, name: str, width: float,
         length: float) -> None:
    start = length / 4
    page, spent = _page(browser, f"{server.address}#r={key}&from={start}"
                        f"&to={start + width}&at={start}")
    page.wait_for_timeout(2000)
    before = spent()
    costs = page.evaluate(PAN, [FRAMES, 12])
    cpu = (spent() - before) / FRAMES
    page.close()
    high = sorted(costs)[int(.95 * len(costs))]
    print(f"  pan at {name:7s} frame {statistics.median(costs):5.1f} ms "
          f"(95 %: {high:5.1f}), CPU {cpu:5.1f} ms", flush=True)


if __name__ == "__main__":
    main()
