"""One figure per recording; needs matplotlib, so import it late."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from aura import state
from aura.folder import Folder
from aura.recording import Event, Floats

FOOTER = "Research software, not a medical device"
LONGEST_TITLE, FULL_SIZE_TITLE = 90, 60
LONGEST_LABEL = 24

# Okabe & Ito's palette, which colour-blind people can distinguish.
ORIGINAL, PREDICTED = "#0072B2", "#D55E00"
HEART, BASELINE, EXCESS = "#22313F", "#7F8C8D", "#E69F00"
PROBABILITY, THRESHOLD = "#8A3B6B", "#444444"
UNSCORABLE, PALE = "#C9CDD2", "#8793A0"

STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
           10800, 14400, 21600, 43200, 86400)
# Shares of the width: the narrowest visible bar, and hatched bar.
NARROWEST, HATCHED = 0.0025, 0.008
# A higher heart rate is an artifact, and would flatten the curve.
HIGHEST_BPM = 220
BOX = {"facecolor": "white", "alpha": .75, "edgecolor": "none", "pad": 1.5}

STYLE = matplotlib.rc_params_from_file(
    Path(__file__).with_suffix(".mplstyle"), use_default_template=False)


def draw(path: Path, *, title: str, time_s: Floats, heart_rate_bpm: Floats,
         baseline_bpm: Floats, probability: Floats, threshold: float,
         reference: Sequence[Event] | None, predicted: Sequence[Event],
         unscorable: Floats, duration_s: float) -> Path:
    rows = {"heart rate": heart_rate_bpm, "baseline": baseline_bpm,
            "score": probability}
    for name, row in rows.items():
        if row.shape != time_s.shape or row.ndim != 1:
            raise state.error("picture.shape", name=name, shape=row.shape,
                              times=time_s.shape)
    if not 0 < duration_s < np.inf:
        raise state.error("picture.duration", duration_s=duration_s)
    with matplotlib.rc_context(STYLE):
        figure, (rate, chance, lanes) = _panels(duration_s)
        _draw_heart_rate(rate, time_s, heart_rate_bpm, baseline_bpm)
        _draw_probability(chance, time_s, probability, threshold)
        _draw_unscorable((rate, chance, lanes), unscorable)
        _draw_layers((rate, chance), lanes, reference, predicted, duration_s)
        _draw_texts(figure, title, unscorable, duration_s)
        with Folder(path.parent).replace(path.name) as stream:
            figure.savefig(stream, format="png", metadata={"Software": None})
    return path


def _panels(duration_s: float) -> tuple[Figure, tuple[Axes, Axes, Axes]]:
    figure = Figure(figsize=(14, 7.6), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 1, height_ratios=(5, 3, 1.25), hspace=.12,
                               left=.085, right=.975, top=.845, bottom=.115)
    rate = figure.add_subplot(grid[0])
    chance = figure.add_subplot(grid[1], sharex=rate)
    lanes = figure.add_subplot(grid[2], sharex=rate)
    step = next((step for step in STEPS_S if duration_s / step <= 13),
                86400 * np.ceil(duration_s / 86400 / 13))
    for axes in (rate, chance, lanes):
        axes.set_xlim(0, duration_s)
        axes.xaxis.set_major_locator(MultipleLocator(float(step)))
        axes.xaxis.set_major_formatter(FuncFormatter(
            lambda second, _: clock(second, step < 60)))
        axes.tick_params(axis="x", labelbottom=axes is lanes)
        axes.grid(axis="x", color="#E6E9EC", linewidth=.8, zorder=0)
        axes.set_axisbelow(True)
    lanes.set_xlabel("time since the start of the recording"
                     + (" (h:mm:ss)" if step < 60 else " (h:mm)"))
    return figure, (rate, chance, lanes)


def clock(seconds: float, with_seconds: bool = True) -> str:
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}" + (f":{second:02d}" if with_seconds else "")


def _draw_heart_rate(axes: Axes, time_s: Floats, rate: Floats,
                     baseline: Floats) -> None:
    known = np.concatenate([rate[np.isfinite(rate)],
                            baseline[np.isfinite(baseline)]])
    axes.fill_between(time_s, baseline, rate, where=rate > baseline,
                      interpolate=True, color=EXCESS, alpha=.35,
                      linewidth=0, zorder=2)
    axes.plot(time_s, baseline, color=BASELINE, linewidth=1.6, zorder=3)
    axes.plot(time_s, rate, color=HEART, linewidth=.9, zorder=4)
    low, high = ((known.min(), min(known.max(), HIGHEST_BPM))
                 if len(known) else (50, 110))
    low, high = max(0, 10 * np.floor(low / 10 - .3)), 10 * np.ceil(
        high / 10 + .5)
    axes.set_ylim(low, max(high, low + 40))
    axes.set_ylabel("heart rate (bpm)")
    axes.grid(axis="y", color="#EEF0F2", linewidth=.8, zorder=0)


def _draw_probability(axes: Axes, time_s: Floats, probability: Floats,
                      threshold: float) -> None:
    axes.fill_between(time_s, probability, 0, color=PROBABILITY, alpha=.12,
                      linewidth=0, zorder=2)
    axes.fill_between(time_s, probability, threshold, color=PROBABILITY,
                      where=probability > threshold, interpolate=True,
                      alpha=.55, linewidth=0, zorder=3)
    axes.plot(time_s, probability, color=PROBABILITY, linewidth=.9, zorder=4)
    axes.axhline(threshold, color=THRESHOLD, linewidth=1.1,
                 linestyle=(0, (5, 3)), zorder=5)
    axes.annotate(f"threshold {threshold:.2g}", (1, threshold),
                  xycoords=("axes fraction", "data"), ha="right",
                  va="top" if threshold > .85 else "bottom",
                  xytext=(-4, -3 if threshold > .85 else 3), fontsize=8.5,
                  textcoords="offset points", color=THRESHOLD, zorder=6,
                  bbox=BOX)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, .5, 1])
    axes.set_ylabel("model\nscore")
    axes.grid(axis="y", color="#EEF0F2", linewidth=.8, zorder=0)


def _draw_unscorable(panels: Iterable[Axes], spans: Floats) -> None:
    for axes in panels:
        _shade(axes, [(start, end - start) for start, end in spans.tolist()],
               facecolor=UNSCORABLE, alpha=.55, edgecolor="none", zorder=1.5)


def _shade(axes: Axes, spans: list[tuple[float, float]], **look: Any) -> None:
    """Shade stretches over the full height."""
    if spans:
        axes.broken_barh(spans, (0, 1), transform=axes.get_xaxis_transform(),
                         **look)


def _draw_layers(panels: Iterable[Axes], lanes: Axes,
                 reference: Sequence[Event] | None,
                 predicted: Sequence[Event], duration_s: float) -> None:
    """Both layers: as shades behind the curves, and as bars with labels."""
    lanes.set_ylim(-.55, 1.55)
    lanes.set_yticks([1, 0], ["original", "predicted"])
    lanes.tick_params(axis="y", length=0)
    for tick, colour in zip(lanes.get_yticklabels(), (ORIGINAL, PREDICTED)):
        tick.set_color(colour)
        tick.set_fontweight("bold")
    lanes.axhline(.5, color="#E6E9EC", linewidth=.8)
    for axes in panels:
        for events, colour, hatch in ((reference or (), ORIGINAL, ""),
                                      (predicted, PREDICTED, "////")):
            spans = [(event.onset_s, event.duration_s) for event in events]
            _shade(axes, spans, facecolor=colour, alpha=.16,
                   edgecolor="none", zorder=1.8)
            _shade(axes, spans, facecolor="none", edgecolor=colour,
                   alpha=.5, linewidth=.8, hatch=hatch, zorder=1.9)
    _draw_lane(lanes, 1, reference, ORIGINAL, "", duration_s,
               "this recording is not annotated" if reference is None
               else "no seizure annotated")
    _draw_lane(lanes, 0, predicted, PREDICTED, "////", duration_s,
               "no seizure predicted")


def _draw_lane(axes: Axes, row: int, events: Sequence[Event] | None,
               colour: str, hatch: str, duration_s: float,
               nothing: str) -> None:
    if not events:
        axes.text(duration_s / 2, row, nothing, ha="center", va="center",
                  color=PALE, fontsize=9, style="italic")
        return
    events = sorted(events, key=lambda event: event.onset_s)
    widths = [max(event.duration_s, NARROWEST * duration_s)
              for event in events]
    lefts = [min(event.onset_s, duration_s - width)
             for event, width in zip(events, widths)]
    bars = list(zip(lefts, widths))
    for wide in (False, True):
        axes.broken_barh(
            [bar for bar in bars if (bar[1] > HATCHED * duration_s) == wide],
            (row - .28, .56), facecolor=colour, linewidth=.5, zorder=3,
            edgecolor="white" if wide else colour, hatch=hatch if wide else "")
    free_s = 0.0
    ends = [*lefts[1:], duration_s]
    for event, left, width, end in zip(events, lefts, widths, ends):
        text = readable(event.label, LONGEST_LABEL)
        if event.confidence is not None:
            text += f" {event.confidence:.2f}"
        # A label must not hide the next bar.
        needed_s = duration_s * (.0068 * len(text) + .008)
        if left + width + needed_s < end:
            place, shift, side = left + width, 4, "left"
        elif left - needed_s > free_s:
            place, shift, side = left, -4, "right"
        else:
            free_s = left + width
            continue
        free_s = left + width + (needed_s if shift > 0 else 0)
        axes.annotate(text, (place, row), xytext=(shift, 0), fontsize=8.5,
                      textcoords="offset points", va="center", zorder=4,
                      ha=side, color=colour)


def _draw_texts(figure: Figure, title: str, unscorable: Floats,
                duration_s: float) -> None:
    title = readable(title, LONGEST_TITLE)
    figure.text(.085, .955, title, va="center", fontweight="bold",
                fontsize=15 if len(title) <= FULL_SIZE_TITLE else 11)
    lost_s = float(np.sum(unscorable[:, 1] - unscorable[:, 0])) if len(
        unscorable) else 0.0
    figure.text(.085, .915, f"duration {clock(duration_s)}   ·   unscorable "
                f"{100 * lost_s / duration_s:.3g} %", color="#5D6B78",
                fontsize=10, va="center")
    figure.legend(handles=[
        Line2D([], [], color=HEART, linewidth=1.4, label="heart rate"),
        Line2D([], [], color=BASELINE, linewidth=2, label="own baseline"),
        Patch(facecolor=EXCESS, alpha=.45, label="above baseline"),
        Line2D([], [], color=PROBABILITY, linewidth=1.4,
               label="model score"),
        Patch(facecolor=ORIGINAL, alpha=.6, label="original"),
        Patch(facecolor=PREDICTED, alpha=.6, hatch="////",
              edgecolor="white", label="predicted"),
        Patch(facecolor=UNSCORABLE, label="unscorable")],
        loc="center left", bbox_to_anchor=(.08, .878), ncols=7,
        frameon=False, fontsize=9, handlelength=1.6, columnspacing=1.6)
    figure.text(.975, .025, FOOTER, ha="right", va="center", fontsize=9,
                color="#5D6B78", style="italic")
    if lost_s >= .999 * duration_s:
        figure.text(.53, .6, "nothing could be scored", ha="center",
                    va="center", fontsize=15, color="#5D6B78", bbox=BOX)


def readable(text: str, longest: int) -> str:
    """A text on one line that the font can draw, cut in the middle if long."""
    known = _characters()
    shown = "".join(letter if letter.isprintable() and ord(letter) in known
                    else "□" for letter in text)
    if len(shown) > longest:
        half = longest // 2
        shown = f"{shown[:half - 1]}…{shown[-half:]}"
    return shown


@cache
def _characters() -> frozenset[int]:
    """Characters for which the font has a glyph."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
