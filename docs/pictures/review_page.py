"""
Pictures of the review page, from a run of open recordings.

    aura train szdb/szA szdb/szC --out model
    aura predict szdb/szB --model model --out PREDICTIONS
    python docs/pictures/review_page.py PREDICTIONS

``szdb`` is PhysioNet's szdb (Al-Aweel et al., Neurology 53(7):1590, 1999;
ODC-BY 1.0), converted to EDF, one folder per patient. Reviews are made in a
copy; the given folder stays as it is.
"""

import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from aura.review.app import PageServer
from aura.review.service import ReviewService
from aura.review.guard import Access
from aura.review.worklist import beside_predictions

HERE = Path(__file__).parent
SIZE = {"width": 1440, "height": 940}
PATIENCE_MS = 120_000
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--disable-sync"]


def main(predictions: Path) -> None:
    """Write the pictures beside this script."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as tool:
        out = Path(folder, "out")
        shutil.copytree(predictions, out)
        service = ReviewService(beside_predictions(out))
        server = PageServer(service, Access(), 0)
        thread = threading.Thread(target=server.run)
        thread.start()
        browser = tool.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS)
        try:
            keys = {Path(one["path"]).stem: one["key"]
                    for one in service.listing()["cases"]}
            _draw(browser, server.address, keys)
        finally:
            browser.close()
            server.stop()
            thread.join()


def _draw(browser: Any, address: str, keys: dict[str, str]) -> None:
    light, dark = (_page(browser, theme) for theme in ("light", "dark"))
    _open(light, f"{address}#r={keys['sz04']}")
    _save(light, "review-page")
    missed = next(key for name, key in keys.items()
                  if name.startswith("sz02"))
    _open(dark, f"{address}#r={missed}")
    _save(dark, "review-missed-dark")
    dark.get_by_label("Paper speed").select_option("25 mm/s")
    dark.get_by_label("Gain").select_option("10 mm/mV")
    dark.get_by_label("Filter", exact=True).select_option("0.5 to 40 Hz")
    dark.get_by_role("button", name="light").click()
    _measure(dark)
    _save(dark, "review-paper")
    light.get_by_label("Reviewer").fill("A. Reviewer")
    light.get_by_role("button", name="Accept").click()
    light.locator(".trail li").wait_for()
    light.keyboard.press("Escape")
    light.get_by_label("Onset").fill("0:20:14.0")
    light.get_by_label("Note").fill("artifact from here on")
    light.keyboard.press("Enter")
    light.locator(".trail li").nth(1).wait_for()
    light.locator(".toast").wait_for(state="detached")
    light.locator(".trail").scroll_into_view_if_needed()
    _save(light, "review-edited")
    light.goto(address)
    light.locator("tbody tr").first.wait_for()
    light.set_viewport_size({"width": 1440, "height": 460})
    _save(light, "review-list")


def _measure(page: Any) -> None:
    """Put the caliper on the first two R peaks that can be seen."""
    page.wait_for_timeout(1500)
    box = page.locator(".row.close .u-over").bounding_box()
    page.mouse.move(box["x"] + 51, box["y"] + 66)
    page.mouse.down()
    page.mouse.move(box["x"] + 132, box["y"] + 130, steps=4)
    page.mouse.up()


def _page(browser: Any, theme: str) -> Any:
    page = browser.new_page(viewport=SIZE, color_scheme=theme)
    page.set_default_timeout(PATIENCE_MS)
    return page


def _open(page: Any, address: str) -> None:
    page.goto(address)
    page.locator("html[data-ready=yes]").wait_for(state="attached")
    page.locator(".reasons li").first.wait_for()
    page.wait_for_load_state("networkidle")


def _save(page: Any, name: str) -> None:
    # Tiles arrive and are drawn in frames of their own.
    page.wait_for_timeout(1500)
    page.screenshot(path=HERE / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
