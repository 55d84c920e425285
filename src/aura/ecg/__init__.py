"""From an ECG to features: R peaks, signal quality, intervals, variability."""
