"""
Recordings and predictions in InfluxDB.

``schema`` lists the measurements and their fields. ``points`` writes a
recording as ``lineprotocol``. ``chunks`` keeps the lines in a file, and
``delivery`` sends the file to a ``store``: every point is accounted for, and
results of earlier exports are deleted first.
"""
