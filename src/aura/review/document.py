"""The page of one recording as one read-only file that opens offline."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from aura.errors import AuraError
from aura.review.script import STYLES, script, text_of
from aura.review.service import ReviewService
from aura.review.tiles import BUCKETS, FACTORS

# Beyond this: only samples around events, and buckets of `COARSE` or more.
SAMPLES_WHOLE = 6_000_000
COARSE = 64
AROUND_S = 60.0
TILES_MAX = 400


def write_document(service: ReviewService, key: str) -> bytes:
    code, style = script(), "".join(map(text_of, STYLES))
    content = json.dumps(_content(service, key), allow_nan=False,
                         separators=(",", ":")).replace("<", "\\u003c")
    policy = ("default-src 'none'; "
              f"script-src '{_digest(code)}'; "
              f"style-src '{_digest(style)}'; img-src data:; "
              "base-uri 'none'; form-action 'none'")
    icon = base64.b64encode(text_of("icon.svg").encode()).decode()
    page = text_of("index.html")
    page = re.sub(r"<link [^>]*>\n|<script[^>]*></script>\n", "", page)
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n'
        f"<style>{style}</style>\n")
    tail = (f'<script type="application/json" id="embedded">{content}'
            f"</script>\n<script>{code}</script>\n")
    page = page.replace('<meta charset="utf-8">\n',
                        '<meta charset="utf-8">\n' + head)
    return page.replace("</body>", tail + "</body>").encode("utf-8")


def _content(service: ReviewService, key: str) -> dict[str, Any]:
    detail = service.detail(key)
    frames = {"trends": service.trends(key), "beats": service.beats(key)}
    for factor, index in _tiles(detail):
        try:
            frames[f"ecg/{factor}/{index}"] = service.tile(key, factor, index)
        except AuraError:
            # The reason is in `waveform.problem`.
            break
    return {"detail": detail, "reasons": service.reasons(key), "frames": {
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
        near = {index for one in detail["marks"] for index in range(
            int(max(0, one["onset_s"] - AROUND_S) * fs_hz) // BUCKETS,
            int(min(samples - 1, (one["onset_s"] + one["duration_s"]
                                  + AROUND_S) * fs_hz)) // BUCKETS + 1)}
        for index in sorted(near)[:TILES_MAX]:
            yield 1, index


def _digest(text: str) -> str:
    made = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(made).decode("ascii")
