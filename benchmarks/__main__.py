"""
Run all measurements, or the named ones.

    python -m benchmarks [end_to_end] [parts] [line_protocol] [export] [bundle]
        [mapped_tasks] [quality] [annotations] [duplicates] [replicas]

All times are CPU seconds of one thread, medians of three rounds. Compare the
ratios: the times themselves depend on the machine.
"""

import os
import sys

# They have an effect only before numpy is imported.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

from importlib import import_module  # noqa: E402

ALL = ("end_to_end", "parts", "line_protocol", "export", "bundle",
       "mapped_tasks", "quality", "annotations", "duplicates", "replicas")

if __name__ == "__main__":
    chosen = sys.argv[1:] or ALL
    if not set(chosen) <= set(ALL):
        sys.exit(f"the measurements are {', '.join(ALL)}")
    for name in chosen:
        print(f"--- {name}", flush=True)
        import_module(f"benchmarks.{name}").main()
        print(flush=True)
