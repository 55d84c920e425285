"""
Put the tables and pictures of evaluations into docs/evaluation.md.

    python -m benchmarks.evaluation_page reports

docs/evaluation.md has the commands that write the reports. This replaces the
text between ``<!-- report NAME -->`` and ``<!-- end -->``, and the pictures
in docs/pictures.
"""

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aura.evaluation import markdown, pictures

DOCS = Path(__file__).parents[1] / "docs"
PICTURED = "szdb-rr-nsr2db"
NAMES = ("szdb", "szdb-rr", PICTURED, "szdb-rr-nsr2db-chf2db")
PLACE = re.compile(
    r"(<!-- report (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def section(report: Mapping[str, Any], name: str) -> str:
    """The tables of one report, with links to its pictures."""
    lines = ["", *markdown.overview(report), ""]
    if name == PICTURED:
        lines += [
            f"![Seizures found against false alarms](pictures/{name}.png)",
            "", *markdown.equal_alarms(report), "",
            *markdown.section(report, "conventions"), "",
            *markdown.section(report, "clinical"), "",
            f"![Which seizures, and when](pictures/{name}-seizures.png)", "",
            f"![Reliability](pictures/{name}-reliability.png)", ""]
    return "\n".join([*lines, *markdown.self_tests(report), "", ""])


def main() -> None:
    """Read the reports, and write the page and its pictures."""
    reports = {name: json.loads(
        (Path(sys.argv[1]) / name / "report.json").read_bytes())
        for name in NAMES}
    page = DOCS / "evaluation.md"
    page.write_text(PLACE.sub(
        lambda found: found[1] + section(reports[found[2]], found[2])
        + found[3], page.read_text("utf-8")), "utf-8")
    with tempfile.TemporaryDirectory() as folder:
        pictures.draw(reports[PICTURED], Path(folder))
        for drawn, ending in (("sensitivity", ""), ("seizures", "-seizures"),
                              ("reliability", "-reliability")):
            (DOCS / "pictures" / f"{PICTURED}{ending}.png").write_bytes(
                (Path(folder) / f"{drawn}.png").read_bytes())


if __name__ == "__main__":
    main()
