"""``aura review`` and ``aura export``."""

import argparse
import os
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path

from aura import state
from aura.cli import console
from aura.dataset.names import recording_stem
from aura.errors import AuraError, plural
from aura.folder import Folder
from aura.review.document import write_document
from aura.review.service import ReviewService
from aura.review.worklist import beside_predictions, on_share
from aura.settings import Settings
from aura.stages.run_layout import HIDDEN, RUNS


def review(given: argparse.Namespace) -> int:
    if (given.dir / RUNS).is_dir() and not (given.dir / HIDDEN).is_dir():
        runs = on_share(given.dir, Settings.load(given.dir))
    else:
        runs = beside_predictions(given.dir)
    service = ReviewService(runs)
    if given.html is not None:
        return _write(service, given.html)
    return _serve(service, given)


def _serve(service: ReviewService, given: argparse.Namespace) -> int:
    from aura.review.app import PageServer
    from aura.review.guard import Access
    if not 0 <= given.port <= 65535:
        return console.fail("review", f"--port is {given.port}; it must be "
                            "between 0 and 65535")
    access = Access.to(given.host, os.environ, Settings.load().web_names)
    server = PageServer(service, access, given.port)
    count = len(service.runs.worklist().cases)
    print(f"{plural(count, 'recording')} to review at {server.shown} "
          "(stop with Ctrl-C)", flush=True)
    print(console.NOT_A_DEVICE, flush=True)
    if not given.no_open:
        import webbrowser
        threading.Thread(target=webbrowser.open, args=(server.address,),
                         daemon=True).start()
    server.run()
    return 0


def _write(service: ReviewService, out: Path) -> int:
    folder, problems = Folder(out), []
    folder.try_writing()
    cases = service.runs.worklist().cases
    for case in cases:
        name = recording_stem(case.recording.path) + ".html"
        try:
            folder.write(name, write_document(service, case.key))
        except AuraError as error:
            problems.append((case.recording.path, error.problem))
    console.print_problems(problems)
    done = len(cases) - len(problems)
    code = console.exit_code(
        "review", done, [[problem] for _, problem in problems],
        "No page could be written" if cases
        else "The predictions contain no recording")
    if done:
        print(f"Wrote {plural(done, 'page')} to {out}.")
        print(console.NOT_A_DEVICE)
    return code


def export(given: argparse.Namespace) -> int:
    from aura.runners import local
    settings = console.settings(given)
    if given.files:
        settings = replace(settings, influx_url="")
        Folder(given.files).try_writing()
    elif not settings.influx_url:
        raise state.error("influx.settings")
    if not given.folder.is_dir():
        raise state.error("path.missing/cli", folder=given.folder)
    report, files = local.export(given.folder, settings)
    for item in report.left_out:
        print(f"left out {item.path}: {item.rule}: {item.text}",
              file=sys.stderr)
    for line in report.rejected:
        print(f"rejected point {line}", file=sys.stderr)
    if report.earlier_results_stay:
        print("warning: Results of an earlier export stay in the store: "
              f"{report.earlier_results_stay}", file=sys.stderr)
    if not report.recordings:
        return console.fail("export", "No recording was exported" + (
            " (see above)." if report.left_out
            else f": {given.folder} contains no predictions."))
    target = given.files or report.target
    if given.files:
        for path in sorted(files.glob("*.lp.gz")):
            with (path.open("rb") as source,
                  Folder(given.files).replace(path.name) as stream):
                shutil.copyfileobj(source, stream)
    rejected = report.points_rejected
    print(f"Wrote {plural(report.points_written, 'point')} of "
          f"{plural(report.recordings, 'recording')} to {target}"
          + (f"; {plural(rejected, 'point')} rejected." if rejected else "."))
    print(f"The aliases are in {files}/*.aliases.json.")
    return 2 if report.left_out or rejected else 0
