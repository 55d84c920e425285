"""What a real InfluxDB gives back, in the form of what was sent."""

import csv
import io
import json


def flat(listed):
    """{(measurement, tags, time, field): value} of parsed points."""
    return {(measurement, *sorted(tags.items()), time_ns, name): value
            for measurement, tags, fields, time_ns in listed
            for name, value in fields.items()}


def rows(text):
    """Rows of annotated CSV as dictionaries of texts, with their types."""
    header = types = None
    for row in csv.reader(io.StringIO(text)):
        if not row:
            header = types = None
        elif row[0] == "#datatype":
            types, header = row, None
        elif row[0].startswith("#"):
            continue
        elif header is None:
            header = row
        else:
            yield dict(zip(header, row)), dict(
                zip(header, types or header))


def read_back(influx, bucket):
    """All points of a bucket in the form of `flat`; values are typed."""
    found = {}
    text = influx.call(
        f"/api/v2/query?org={influx.org}", json.dumps({
            "query": f'from(bucket: "{bucket}")'
            ' |> range(start: 1700-01-01T00:00:00Z,'
            ' stop: 2262-04-11T23:47:16Z)'
            ' |> map(fn: (r) => ({r with ns: int(v: r._time)}))',
            "dialect": {"annotations": ["datatype"]}}),
        **{"Content-Type": "application/json", "Accept": "application/csv"})
    kinds = {"double": float, "long": int, "string": str,
             "boolean": lambda one: one == "true"}
    for row, types in rows(text):
        tags = {name: value for name, value in row.items()
                if value and name not in (
                    "", "result", "table", "ns") and name[0] != "_"}
        found[row["_measurement"], *sorted(tags.items()), int(row["ns"]),
              row["_field"]] = kinds[types["_value"]](row["_value"])
    return found
