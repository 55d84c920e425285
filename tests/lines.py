"""
Line protocol read by a parser written from the manual.

It follows the reference of InfluxDB 2 (line protocol: special characters,
data types), not the encoder.
"""

from aura.influx import lineprotocol


def encode(*rows):
    """Rows of one series as line protocol."""
    return b"".join(lineprotocol.encode(*rows))


def scan(line, index, ends):
    """Text up to one of the ends that no backslash stands before."""
    text = ""
    while line[index] not in ends:
        if line[index] == "\\" and line[index + 1] in ",= ":
            index += 1
        text += line[index]
        index += 1
    return text, index


def parse_value(line, index):
    """A field value and where it ends; a string may hold any separator."""
    if line[index] != '"':
        start = index
        while line[index] not in ", ":
            index += 1
        word = line[start:index]
        if word in ("true", "false"):
            return word == "true", index
        return (int(word[:-1]) if word.endswith("i") else float(word)), index
    index, text = index + 1, ""
    while line[index] != '"':
        if line[index] == "\\" and line[index + 1] in '"\\':
            index += 1
        text += line[index]
        index += 1
    return text, index + 1


def parse(data):
    """Points of a text: measurement, tags, fields, time."""
    text, index, points = data.decode("utf-8"), 0, []
    while index < len(text):
        measurement, index = scan(text, index, ", ")
        tags, fields = {}, {}
        while text[index] == ",":
            name, index = scan(text, index + 1, "=")
            tags[name], index = scan(text, index + 1, ", ")
        assert text[index] == " "
        while True:
            name, index = scan(text, index + 1, "=")
            fields[name], index = parse_value(text, index + 1)
            if text[index] != ",":
                break
        end = text.index("\n", index)
        points.append((measurement, tags, fields, int(text[index + 1:end])))
        index = end + 1
    return points
