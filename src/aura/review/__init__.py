"""The review page: predictions and annotations of a run, on the ECG."""
