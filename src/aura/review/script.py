"""The page's script: all modules of ``static`` in one, to load at once."""

import json
import re
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
UPLOT = "vendor/uplot-1.6.32"
# Each after the modules that it imports.
MODULES = (f"{UPLOT}/uPlot.esm.js", "dom.js", "data.js", "window.js",
           "events.js", "waveform.js", "trends.js", "paint.js", "axis.js",
           "chart.js", "backdrop.js", "envelope.js", "beats.js", "lanes.js",
           "overview.js", "pointer.js", "filters.js", "paper.js", "plots.js",
           "form.js", "trail.js", "why.js", "panel.js", "keys.js", "list.js",
           "heading.js", "decisions.js", "shortcuts.js", "recording.js",
           "main.js")
STYLES = (f"{UPLOT}/uPlot.min.css", "style.css")

_IMPORT = re.compile(
    r'^import (?:(\w+)|\{([^}]*)\}) from "\./([\w./-]+)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:class|function|const) (\w+))", re.M)
_DEFAULT = re.compile(r"^export \{ (\w+) as default \};\n?", re.M)


@cache
def script() -> str:
    """All modules of the page, each as a function that returns its exports."""
    parts = ['"use strict";\nconst modules = {};\n']
    for name in MODULES:
        text = text_of(name)
        default = _DEFAULT.findall(text)
        # uPlot has such lines in its comments.
        exported = [] if default else _EXPORT.findall(text)
        body = _EXPORT.sub("", _DEFAULT.sub("", text))
        body = _IMPORT.sub(_imported, body)
        names = ", ".join((*exported, *(f"default: {one}" for one in default)))
        parts.append(f"modules[{json.dumps(name)}] = (() => {{\n{body}\n"
                     f"return {{ {names} }};\n}})();\n")
    # "</script>" in a text would end the element.
    return "".join(parts).replace("</", "<\\/")


def _imported(match: re.Match[str]) -> str:
    default, named, path = match.groups()
    names = f"{{ default: {default} }}" if default else f"{{{named}}}"
    return f"const {names} = modules[{json.dumps(path)}];\n"


def text_of(name: str) -> str:
    return (STATIC / name).read_text("utf-8")
