"""Recordings and predictions in InfluxDB."""
