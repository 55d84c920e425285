"""``aura replay``."""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from aura.cli import console
from aura.settings import Settings


def register(verbs: Any) -> None:
    """Add the verb to the parser."""
    replay = verbs.add_parser(
        "replay", help="play a recording to a model as if it happened now",
        description="Feed a recording second by second through the code of "
        "'aura predict': R peaks, features, forest, alarms, with bounded "
        "memory. Alarms are told when they are decided; at the end stand "
        "the events beside those of the batch, and the time that each "
        "second took.",
        epilog="example: aura replay study/a.edf --model model --speed 60")
    replay.add_argument("path", type=Path, metavar="FILE",
                        help="a recording: EDF, BDF, or CSV of beats")
    replay.add_argument("--model", required=True, type=Path,
                        help="folder that 'aura train' has written")
    replay.add_argument("--speed", type=_speed, default=0.0, metavar="N",
                        help="seconds of recording per second; 0 does not "
                        "wait (0)")
    replay.add_argument("--beats", action="store_true",
                        help="of a waveform, feed the beats that 'aura "
                        "predict' finds in it, which look ahead up to 15 "
                        "min, instead of its samples")
    console.add_adapt(replay, "scorable hours after which the recording's "
                      "own past may raise the threshold; 0 leaves it to the "
                      "model")
    replay.set_defaults(run=_replay)


def _speed(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not 0 to 1000000")
    return value


def _replay(given: argparse.Namespace) -> int:
    from aura.runners import replay
    from aura.streaming.stream import Decision

    def tell(decision: Decision) -> None:
        if decision.alarm:
            print(f"{console.clock(decision.time_s)}  alarm, smoothed "
                  f"probability {decision.smoothed:.2f}", flush=True)

    done = replay.replay(given.path, given.model,
                         console.adapted(given, Settings.load()),
                         given.speed, tell, by_beats=given.beats)
    if not done.scorable:
        print("warning signal.unscorable: nothing of this recording could "
              "be scored, so that no event means nothing", file=sys.stderr)
    print(f"{console.counted(len(done.events), 'event')} in "
          f"{console.clock(done.recording.duration_s)}: " + (", ".join(
              f"{event.onset_s:.0f} to {event.end_s:.0f} s"
              for event in done.events) or "none"))
    if done.identical:
        print("the same events as the batch's")
    else:
        print("the batch has others: " + (", ".join(
            f"{event.onset_s:.0f} to {event.end_s:.0f} s"
            for event in done.batch) or "none"))
    print(f"{done.scorable} of {done.rows} rows could be scored, "
          f"{done.scorable_differs} in only one of the two; "
          f"{done.alarm_rows_differ} were above the "
          "threshold in only one")
    print(f"decided {done.delay_s:g} s after the second that it is about; "
          f"each took {np.percentile(done.hop_ms, 50):.2f} ms (median), "
          f"{np.percentile(done.hop_ms, 99):.2f} ms (99 %)")
    print(console.NOT_A_DEVICE)
    return 0
