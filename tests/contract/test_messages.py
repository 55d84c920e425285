"""The texts of `aura/messages.toml` are those that the code asks for."""

import ast
import string
from pathlib import Path

from aura import state

SOURCE = Path(state.__file__).parent
MESSAGES = state.beside(state.__file__, "messages.toml")


def calls():
    """Key and named values of each `state.error` and `state.problem`."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (isinstance(node, ast.Call)
                    and ast.unparse(node.func) in (
                        "state.error", "state.problem")
                    and isinstance(node.args[0], ast.Constant)):
                yield (node.args[0].value, {
                    one.arg for one in node.keywords},
                    ast.unparse(node.func))


def test_each_text_has_the_values_that_it_names():
    for key, given, function in calls():
        texts = MESSAGES[key]
        named = {name for text in texts.values()
                 for _, name, _, _ in string.Formatter().parse(text) if name}
        assert given == named, key
        assert [*texts] in (["text"], ["text", "fix"]), key
        # The rule is what is before the slash.
        assert function == "state.error" or "fix" not in texts, key


def test_no_text_is_left_over():
    # Some rules end in a name that the code computes.
    computed = ("edf.annotation.", "ecg.", "edf.gaps", "edf.record_onset/")
    used = {key for key, _, _ in calls()}
    assert {key for key in MESSAGES if key not in used
            and not key.startswith(computed)} == set()
