"""
Seizure detection on ECG, as a library and as microservice blocks.

Research software, not a medical device.
"""

import os

__version__ = "0.2.0"

# Recordings and calls run side by side. BLAS threads inside each of them
# fight for the same processors: four times the time on 2 cores, and calls of
# 0.3 s were seen to take 25 s. It counts if numpy is not yet loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
