"""
What Grafana shows: two dashboards, their data source, and who loads them.

``python -m grafana`` writes ``dashboards/*.json``; edit this package, never
the JSON.
"""
