"""
Seizure detection on ECG, as a library and as microservice blocks.

Research software, not a medical device.
"""

__version__ = "0.1.0"
