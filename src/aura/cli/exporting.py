"""``aura export``."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from aura.cli import console
from aura.errors import MissingError, PreconditionError
from aura.folder import Folder
from aura.settings import Settings

EPILOG = """\
example:
  export INFLUXDB_V2_URL=http://localhost:8086 INFLUXDB_V2_ORG=aura
  export INFLUXDB_V2_BUCKET=ecg INFLUXDB_V2_TOKEN_FILE=~/influx.token
  aura export predictions

An export that was stopped goes on where it was when it is repeated, and one
that is repeated changes nothing. docs/influxdb.md has the schema, the
settings and what happens when a server fails.
"""


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    export = verbs.add_parser(
        "export", help="write predictions beside annotations to InfluxDB",
        description="Write recordings, what was predicted and what was "
        "annotated as time series: to the server that INFLUXDB_V2_URL names, "
        "or as files. Patients and recordings become aliases.",
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    export.add_argument(
        "folder", type=Path, metavar="DIR",
        help="what 'aura predict' has written; or a run's folder on a shared "
        "folder, runs/RUN_ID, to send what waits there")
    export.add_argument(
        "--files", type=Path, metavar="FOLDER",
        help="write .lp.gz files to this folder and ask no server")
    export.set_defaults(run=_export)


def _export(given: argparse.Namespace) -> int:
    from aura.runners import local
    settings = Settings.load()
    if given.files:
        settings = replace(settings, influx_url="")
        Folder(given.files).try_writing()
    elif not settings.influx_url:
        raise PreconditionError(
            "influx.settings", "no server is named", "set INFLUXDB_V2_URL, "
            "_ORG, _BUCKET and _TOKEN, or give --files FOLDER")
    if not given.folder.is_dir():
        raise MissingError("path.missing", f"there is no {given.folder}",
                           "check the name")
    report = local.export(given.folder, settings)
    for item in report["left_out"]:
        print(f"left out {item['path']}: {item['rule']}: {item['text']}",
              file=sys.stderr)
    for line in report["rejected"]:
        print(f"rejected {line}", file=sys.stderr)
    if report["earlier_results_stay"]:
        print("results of an earlier export stay: "
              f"{report['earlier_results_stay']}", file=sys.stderr)
    target = report["target"]
    if given.files:
        target = given.files
        for path in sorted(report["folder"].glob("*.lp.gz")):
            Folder(given.files).write(path.name, path.read_bytes())
    recordings = report["recordings"]
    print(f"{report['points_written']} points of "
          f"{console.counted(recordings, 'recording')} in {target}"
          + (f", {report['points_rejected']} rejected"
             if report["points_rejected"] else ""))
    print(f"aliases: {report['folder']}/*.aliases.json")
    if not recordings:
        return 1
    return 2 if report["left_out"] or report["points_rejected"] else 0
