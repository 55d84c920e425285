"""The texts of `aura/messages.toml` are those that the code asks for."""

import ast
import re
from pathlib import Path
from string import Formatter

from aura import errors, state

SOURCE = Path(state.__file__).parent
MESSAGES = state.beside(state.__file__, "messages.toml")
# Rules whose names a variable holds.
COMPUTED = ("edf.annotation.", "ecg.", "edf.gap",
            "edf.record_onset/", "train.")
SAYING = ("state.error", "state.problem", "broken", "complain")


def keys(node, prefix):
    """What the first argument of a call can be, as regular expressions."""
    if isinstance(node, ast.IfExp):
        yield from keys(node.body, prefix)
        yield from keys(node.orelse, prefix)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.escape(prefix + node.value)
    elif isinstance(node, ast.JoinedStr):
        yield prefix + "".join(
            re.escape(part.value) if isinstance(part, ast.Constant)
            else r"\w+" for part in node.values)


def calls():
    """Function, keys and names of the values of each text that is used."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).removeprefix("proto.")
            given = {one.arg for one in node.keywords}
            if name in SAYING and None not in given:
                for key in keys(node.args[0],
                                "proto." if name == "complain" else ""):
                    yield name, key, given


def test_each_call_gives_the_values_that_its_text_names():
    for function, pattern, given in calls():
        if r"\w+" in pattern:  # Then the code computes the values, too.
            continue
        found = [key for key in MESSAGES if re.fullmatch(pattern, key)]
        assert found, f"messages.toml has no {pattern}"
        for key in found:
            texts = MESSAGES[key]
            named = {re.split(r"[.\[]", name)[0] for part in ("text", "fix")
                     for _, name, _, _ in Formatter().parse(
                         texts.get(part, "")) if name}
            assert named <= given, key
            # The rule is what is before the slash.
            assert function != "state.problem" or "fix" not in texts, key


def test_no_text_is_left_over_and_each_has_a_class():
    asked = {pattern for _, pattern, _ in calls()} | {
        rf"{re.escape(one)}\w+" for one in COMPUTED}
    assert not [key for key in MESSAGES if not any(
        re.fullmatch(pattern, key) for pattern in asked)]
    for key, texts in MESSAGES.items():
        assert texts.keys() <= {"kind", "text", "fix"}, key
        assert hasattr(errors, f"{texts.get('kind', 'InvalidInput')}Error")
