"""
Run all measurements, or those that are named.

    python -m benchmarks [end_to_end] [parts] [line_protocol] [export] [bundle]
        [mapped_tasks] [quality] [annotations]

One thread, CPU seconds, medians of three rounds. A bare time says more of
the machine than of the code; the ratios are what counts.
"""

import os
import sys

# Before numpy is imported, or it is too late.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

from importlib import import_module  # noqa: E402

ALL = ("end_to_end", "parts", "line_protocol", "export", "bundle",
       "mapped_tasks", "quality", "annotations")

if __name__ == "__main__":
    chosen = sys.argv[1:] or ALL
    if not set(chosen) <= set(ALL):
        sys.exit(f"there are {', '.join(ALL)}")
    for name in chosen:
        print(f"--- {name}", flush=True)
        import_module(f"benchmarks.{name}").main()
        print(flush=True)
