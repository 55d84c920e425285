"""
The dashboards' questions, filled in the way Grafana does it.

Written from Grafana's documentation of variables and of the InfluxDB data
source; the questions' author is not asked.
"""

import json
import re
from pathlib import Path

PAGES = {path.name: json.loads(path.read_text("utf-8")) for path in sorted(
    (Path(__file__).parents[1] / "grafana/dashboards").iterdir())}
REVIEW = PAGES["recording-review.json"]
COHORT = PAGES["model-and-cohort.json"]
ALL = ["$__all"]


def everything(node):
    """All dictionaries in a tree."""
    if isinstance(node, dict):
        yield node
    for inner in (node.values() if isinstance(node, dict) else
                  node if isinstance(node, list) else ()):
        yield from everything(inner)


def panel(page, title):
    """The panel of a title."""
    found, = (one for one in page["panels"] if one.get("title") == title)
    return found


def questions(page):
    """Every Flux query of a dashboard, by the name of who asks."""
    listed = [
        *((f"variable {one['name']}", one["query"]["query"])
          for one in page["templating"]["list"]),
        *((f"annotation {one['name']}", one["target"]["query"])
          for one in page["annotations"].get("list", ())),
        *((f"panel {one['title']} {target['refId']}", target["query"])
          for one in page["panels"] for target in one.get("targets", ()))]
    found = dict(listed)
    assert len(found) == len(listed)
    return found


def chosen(page, query, values):
    """A question as the browser sends it: the chosen values are in."""
    choices = {one["name"]: one for one in page["templating"]["list"]}

    def put(found):
        name, form = found[1], found[2]
        if values[name] == ALL:
            # A value of its own for "All" is taken as it is.
            return choices[name]["allValue"]
        return {"json": _json, "regex": _regex}[form](values[name])

    query = re.sub(r"\$\{(\w+):(\w+)\}", put, query)
    assert "${" not in query
    return query


def filled(page, query, values, *, start, stop, bucket, window="1s"):
    """
    A question as the server gets it.

    The data source's backend replaces ``v.`` names, wherever they stand.
    """
    query = chosen(page, query, values)
    for name, value in (("timeRangeStart", start), ("timeRangeStop", stop),
                        ("windowPeriod", window),
                        ("defaultBucket", f'"{bucket}"')):
        query = re.sub(rf"\b[a-zA-Z]+\.{name}\b", lambda _: value, query)
    assert not re.search(r"\bv\.[a-zA-Z]", query)
    return query


def _json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _regex(value):
    parts = [re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", one)
             for one in (value if isinstance(value, list) else [value])]
    return parts[0] if len(parts) == 1 else f"({'|'.join(parts)})"
