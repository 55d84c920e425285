"""Three pictures of an evaluation; needs matplotlib, so import it late."""

from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from aura import state
from aura.folder import Folder
from aura.plots import FOOTER, PALE, STYLE
from aura.scoring.report import fill

# Okabe & Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#999999", "#000000", "#CC79A7", "#56B4E9", "#009E73", "#D55E00",
           "#E69F00", "#0072B2")
# Curves that coincide show through the gaps of each other.
DASHES = tuple((3 * place, (9, 3 * place)) for place in range(len(COLOURS)))
FOUND, MISSED = "#0072B2", "#DDDDDD"
LATEST_S = 90.0
_TEXTS = state.beside(__file__)

Found = Mapping[str, Any]


def draw(report: Found, folder: Path) -> list[str]:
    pictures: dict[str, Callable[[Found], Figure]] = {
        "sensitivity.png": _sensitivity, "seizures.png": _seizures,
        "reliability.png": _reliability}
    for name, drawn in pictures.items():
        with matplotlib.rc_context(STYLE):
            figure = drawn(report)
            figure.text(.99, .01, FOOTER, ha="right", va="bottom",
                        fontsize=7, color=PALE)
            with Folder(folder).replace(name) as stream:
                figure.savefig(
                    stream, format="png", metadata={"Software": None})
    return sorted(pictures)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    # Leave room for the footer.
    layout = ConstrainedLayoutEngine(rect=(0, .2 / height, 1, 1 - .2 / height))
    figure = Figure(figsize=(width, height), dpi=100, layout=layout)
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _sensitivity(report: Found) -> Figure:
    """Sensitivity against false alarms per 24 h, in all people."""
    figure, axes = _figure(8, 6.4)
    for one, colour, (size, dash) in zip(
            report["detectors"], cycle(COLOURS), cycle(enumerate(DASHES)),
            strict=False):
        # A fixed rule has no other threshold.
        fixed = one["threshold"] == "fixed"
        curve = [] if fixed else one["curve_with_hindsight"]
        rate = [point["false_alarms_per_24h"] for point in curve]
        part = [point["found"] / point["seizures"] for point in curve]
        axes.step(rate, np.maximum.accumulate(part or [0.0])[:len(rate)],
                  where="post", color=colour, lw=1.8, ls=dash)
        axes.plot([], color=colour, lw=0 if fixed else 1.8, marker="o",
                  label=fill(_TEXTS["counted"], name=one["name"],
                             **one["rounds"][0]["everybody"]))
        for done in one["rounds"]:
            found = done["everybody"]
            axes.plot(found["false_alarms_per_24h"]["value"],
                      found["sensitivity"]["value"], "o", color=colour,
                      ms=13 - size, mec="white", clip_on=False, zorder=3)
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xticks([0, .5, 1, 2, 5, 10, 20],
                    ["0", "0.5", "1", "2", "5", "10", "20"])
    axes.set(xlim=(0, 24), ylim=(0, 1.02), ylabel="seizures found",
             xlabel="false alarms per 24 h (linear below 1)")
    axes.set_title(_TEXTS["sensitivity"].strip(), fontsize=9, loc="left")
    axes.grid(color=PALE, alpha=.25)
    figure.legend(fontsize=8, frameon=False, loc="outside lower left")
    return figure


def _seizures(report: Found) -> Figure:
    """A row for each detector: which seizures it found, and when."""
    detectors = report["detectors"]
    lines = [(one["name"], part["seizures"])
             for one in detectors for part in one["rounds"]]
    count = len(lines[0][1])
    figure, axes = _figure(max(6.0, 3.6 + .55 * count), 1.4 + .36 * len(lines))
    for row, (_, seizures) in enumerate(lines):
        for column, seizure in enumerate(seizures):
            late = seizure["latency_s"]
            shade = 0.0 if late is None else (
                1 - .75 * float(np.clip(late / LATEST_S, 0, 1)))
            axes.add_patch(matplotlib.patches.Rectangle(
                (column + .04, row + .06), .92, .88, lw=0,
                color=MISSED if late is None else FOUND,
                alpha=1.0 if late is None else max(shade, .25)))
            axes.text(column + .5, row + .5,
                      "-" if late is None else f"{late:.0f}",
                      ha="center", va="center", fontsize=8,
                      color="white" if shade > .5 else "black")
    axes.set(xlim=(0, count), ylim=(len(lines), 0))
    axes.set_yticks(np.arange(len(lines)) + .5, [name for name, _ in lines])
    axes.set_xticks(
        np.arange(count) + .5,
        [f"{seizure['patient'][2:6]}\n{seizure['duration_s']:.0f} s"
         for seizure in lines[0][1]], fontsize=7)
    axes.set_xlabel("seizure: patient and length")
    axes.set_title("Seconds from onset to alarm; grey: missed", fontsize=9,
                   loc="left")
    axes.tick_params(length=0)
    return figure


def _reliability(report: Found) -> Figure:
    figure, axes = _figure(6, 5)
    axes.plot([0, 1], [0, 1], color=PALE, lw=.8, ls="--")
    for one, colour in zip(report["detectors"], cycle(COLOURS),
                           strict=False):
        known = one["reliability"]
        if known:
            axes.plot(known["predicted"], known["observed"], "o-", ms=4,
                      color=colour, lw=1.2,
                      label=fill(_TEXTS["brier"], name=one["name"],
                                 count=round(sum(known["rows"])), **known))
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score of a second",
             ylabel="share of these seconds annotated as seizure")
    axes.set_title(_TEXTS["reliability"], fontsize=8, loc="left")
    axes.grid(color=PALE, alpha=.25)
    figure.legend(fontsize=8, frameon=False, loc="outside lower left")
    return figure
