"""
Recordings and predictions in InfluxDB: the schema, the points, the writer.

``schema`` says what every measurement holds, ``points`` makes line protocol
of a recording with ``lineprotocol`` and ``digits``. ``packed`` keeps them in
a file, and ``delivery`` brings it to a ``server``, every point accounted for,
after ``earlier`` results of the same recordings are deleted.
"""
