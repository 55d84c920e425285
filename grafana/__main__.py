"""
Write the dashboards, or report which files are outdated.

    python -m grafana            write changed files
    python -m grafana --check    only compare; exit 1 on a difference
"""

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import cohort, review

FOLDER = Path(__file__).parent / "dashboards"
NAMES = {"recording-review.json": review.make,
         "model-and-cohort.json": cohort.make}


def main(argv: list[str] | None = None) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana",
        description="Write grafana/dashboards from grafana/*.py.")
    parser.add_argument(
        "--check", action="store_true",
        help="write nothing; exit 1 if a file is outdated")
    check = parser.parse_args(argv).check
    texts = written()
    stale = [name for name, text in texts.items()
             if not (path := FOLDER / name).is_file()
             or path.read_text("utf-8") != text]
    extra = [path.name for path in FOLDER.iterdir()
             if path.name not in texts]
    for name in stale:
        print(f"grafana/dashboards/{name}: " + (
            "outdated; run 'python -m grafana'" if check else "written"))
        if not check:
            (FOLDER / name).write_text(texts[name], "utf-8", newline="\n")
    for name in extra:
        print(f"grafana/dashboards/{name}: not one of the dashboards; "
              "remove it")
    return 1 if extra or check and stale else 0


def written() -> dict[str, str]:
    """Content of each file."""
    return {name: json.dumps(make(), cls=JSONEncoder, indent=2,
                             sort_keys=True) + "\n"
            for name, make in NAMES.items()}


if __name__ == "__main__":
    sys.exit(main())
