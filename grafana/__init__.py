"""
Two Grafana dashboards, their data source and provisioning.

``python -m grafana`` writes ``dashboards/*.json``. Edit this package, never
the JSON.
"""
