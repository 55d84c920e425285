"""
The page of one recording as one file that opens anywhere, offline.

It holds the same scripts and the same bytes that the server gives, and may
run nothing else: its policy names the digests of its own script and style.
It shows a review; decisions are taken with ``aura review``.
"""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from aura.errors import AuraError
from aura.review.desk import Desk
from aura.review.server import STATIC
from aura.review.waveform import BUCKETS, FACTORS

UPLOT = "vendor/uplot-1.6.32"
# In the order of their imports.
MODULES = (f"{UPLOT}/uPlot.esm.js", "dom.js", "data.js", "window.js",
           "events.js", "waveform.js", "trends.js", "paint.js", "axis.js",
           "chart.js", "backdrop.js", "envelope.js", "beats.js", "lanes.js",
           "overview.js", "pointer.js", "plots.js", "form.js", "trail.js",
           "why.js", "panel.js", "keys.js", "list.js", "heading.js",
           "decisions.js", "recording.js", "main.js")
STYLES = (f"{UPLOT}/uPlot.min.css", "style.css")
# Up to this many samples all of them are in the file; beyond, those around
# events, and everything at `COARSE` samples per stretch.
SAMPLES_WHOLE = 6_000_000
COARSE = 64
AROUND_S = 60.0
TILES_MAX = 400

_IMPORT = re.compile(
    r'^import (?:(\w+)|\{([^}]*)\}) from "\./([\w./-]+)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:class|function|const) (\w+))", re.M)
_DEFAULT = re.compile(r"^export \{ (\w+) as default \};\n?", re.M)


def write_document(desk: Desk, key: str) -> bytes:
    """
    The page of one recording.

    Parameters
    ----------
    desk : Desk
    key : str
        Of the recording.

    Returns
    -------
    bytes
        HTML without any outside reference.

    Raises
    ------
    MissingError
        If there is no such recording.
    """
    script, style = bundle(), "".join(map(_read, STYLES))
    content = json.dumps(_content(desk, key), allow_nan=False,
                         separators=(",", ":")).replace("<", "\\u003c")
    policy = ("default-src 'none'; "
              f"script-src '{_digest(script)}'; "
              f"style-src '{_digest(style)}'; img-src data:; "
              "base-uri 'none'; form-action 'none'")
    icon = base64.b64encode(_read("icon.svg").encode()).decode()
    page = _read("index.html")
    page = re.sub(r"<link [^>]*>\n|<script[^>]*></script>\n", "", page)
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n'
        f"<style>{style}</style>\n")
    tail = (f'<script type="application/json" id="embedded">{content}'
            f"</script>\n<script>{script}</script>\n")
    page = page.replace('<meta charset="utf-8">\n',
                        '<meta charset="utf-8">\n' + head)
    return page.replace("</body>", tail + "</body>").encode("utf-8")


def bundle() -> str:
    """
    All modules of the page as one script.

    The modules keep to one form of import and of export, so that no build
    tool is needed: each becomes a function that returns what it exports.
    """
    parts = ['"use strict";\nconst modules = {};\n']
    for name in MODULES:
        text = _read(name)
        default = _DEFAULT.findall(text)
        # uPlot keeps more of that form in its comments.
        exported = [] if default else _EXPORT.findall(text)
        body = _EXPORT.sub("", _DEFAULT.sub("", text))
        body = _IMPORT.sub(_imported, body)
        names = ", ".join((*exported, *(
            f"default: {one}" for one in default)))
        parts.append(f"modules[{json.dumps(name)}] = (() => {{\n{body}\n"
                     f"return {{ {names} }};\n}})();\n")
    # No text of a script may end the element that holds it.
    return "".join(parts).replace("</", "<\\/")


def _imported(match: re.Match[str]) -> str:
    default, named, path = match.groups()
    names = f"{{ default: {default} }}" if default else f"{{{named}}}"
    return f"const {names} = modules[{json.dumps(path)}];\n"


def _content(desk: Desk, key: str) -> dict[str, Any]:
    detail = desk.detail(key)
    frames = {"trends": desk.trends(key), "beats": desk.beats(key)}
    for factor, index in _tiles(detail):
        try:
            frames[f"ecg/{factor}/{index}"] = desk.tile(key, factor, index)
        except AuraError:
            # What cannot be read says so in `waveform.problem`.
            break
    return {"detail": detail, "reasons": desk.reasons(key), "frames": {
        name: base64.b64encode(gzip.compress(
            content, 6, mtime=0)).decode("ascii")
        for name, content in frames.items()}}


def _tiles(detail: dict[str, Any]) -> Iterator[tuple[int, int]]:
    waveform, fs_hz = detail["waveform"], detail["fs_hz"]
    if waveform["problem"] is not None:
        return
    samples = waveform["samples"]
    whole = samples <= SAMPLES_WHOLE
    for factor in FACTORS:
        if factor >= COARSE or (whole and factor != 4):
            for index in range(-(-samples // (factor * BUCKETS))):
                yield factor, index
    if not whole:
        near = {index for mark in detail["marks"] for index in range(
            int(max(0, mark["onset_s"] - AROUND_S) * fs_hz) // BUCKETS,
            int(min(samples - 1, (mark["onset_s"] + mark["duration_s"]
                                  + AROUND_S) * fs_hz)) // BUCKETS + 1)}
        for index in sorted(near)[:TILES_MAX]:
            yield 1, index


def _read(name: str) -> str:
    return STATIC.joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    made = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(made).decode("ascii")
