"""Makes a trained model a block of its own: an image, and its onboarding."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aura import state
from aura.blocks import offering
from aura.detector import model_card
from aura.detector.model import CARD_FILE, MODEL_FILE, load_model
from aura.platform import repository
from aura.platform.bundle import image_name
from aura.platform.bundle_rules import LONGEST_NODE
from aura.platform.proto_rules import BLOCK_NAME
from aura.platform.repository import template
from aura.scoring import report

REQUEST_FILE = "onboard.sh"
DOCKERFILE = r'"\\$'  # What has a meaning in a value of a Dockerfile
PREDICTOR = offering("predict")
# The canvas adds a digit to the name of each node.
LONGEST_NAME = LONGEST_NODE - 1


def context(model: Path, registry: str, tag: str, name: str | None
            ) -> tuple[str, dict[str, bytes]]:
    """Name of the image, and the files to build it from."""
    model_id = load_model(model).model_id
    files = {f"model/{part}": (model / part).read_bytes()
             for part in (CARD_FILE, MODEL_FILE)}
    card = model_card.read(files[f"model/{CARD_FILE}"])
    name = name or f"{PREDICTOR.name}-{model_id[:8]}"
    check_name(name)
    image = image_name(registry, name, tag)
    texts = {
        **{part: repository.text(f"blocks/{PREDICTOR.folder}/{part}")
           for part in ("model.proto", "license.json")},
        "Dockerfile": template("onboard/Dockerfile").format(
            use=model_card.USE, labels=_labels(name, tag, card),
            base=image_name(registry, PREDICTOR.name, tag)),
        "README.md": _readme(name, image, card),
        REQUEST_FILE: template(f"onboard/{REQUEST_FILE}").replace(
            "{name}", name).replace("{image}", image)}
    return image, {
        **files,
        **{path: text.encode("utf-8") for path, text in texts.items()}}


def check_name(name: str) -> None:
    if not BLOCK_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise state.error("onboard.name", name=name, longest_name=LONGEST_NAME)


def _labels(name: str, tag: str, card: Mapping[str, Any]) -> str:
    labels = {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": tag,
        "org.opencontainers.image.description":
            f"Seizure predictor with its model. {model_card.USE}",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.created": str(card["created"]),
        **{f"aura.{key}": value for key, value in _facts(card)}}
    return "LABEL " + " \\\n      ".join(
        f'{key}="{_plain(value, DOCKERFILE)}"'
        for key, value in labels.items())


def _facts(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Facts of the card, by the name of their label."""
    yield "use", model_card.USE
    for key in ("model_id", "sha256", "schema_id", "created"):
        yield key, str(card[key])
    yield "features", str(len(card["features"]))
    yield "windows_s", " ".join(f"{value:g}" for value in card["windows_s"])
    yield "hop_s", f"{card['hop_s']:g}"
    for key, value in sorted(card["alarm"].items()):
        yield f"alarm.{key}", f"{value:.6g}"
    for key, value in sorted(card["versions"].items()):
        yield f"version.{key}", value
    data = card.get("data")
    for key, value in sorted(data.items() if isinstance(data, dict) else ()):
        if isinstance(value, (int, float, str)):
            yield f"data.{key}", (
                f"{value:.6g}" if isinstance(value, float) else str(value))


def _readme(name: str, image: str, card: Mapping[str, Any]) -> str:
    found = card.get("validation")
    found = found if isinstance(found, dict) else {}
    verdict = found.get("verdict")
    return template("onboard/README.md").format(
        name=name, image=image, use=model_card.USE, predictor=PREDICTOR.name,
        verdict=f"{_plain(verdict)}." if verdict
        else "The card of this model has no validation.",
        facts="\n".join(f"| {_plain(key)} | {_plain(value)} |"
                        for key, value in _facts(card)), scores=_scores(found))


def _scores(found: Mapping[str, Any]) -> str:
    rows = [[title, *_score(found[key])] for key, title in (
        ("pooled", "this model"), ("one_line_rule", "heart-rate rule"))
        if isinstance(found.get(key), dict)]
    if not rows:
        return ""
    return "\n".join([
        "Validated on patients left out of training and tuning "
        f"({_plain(found.get('method', ''))}):", "",
        *report.markdown_table([
            ("", "seizures found", "sensitivity (95 % CI)", "false alarms",
             "per 24 h (95 % CI)"), *rows]), "", ""])


def _score(score: Mapping[str, Any]) -> list[str]:
    found, seizures, alarms = (report.number(score.get(key), 0) for key in (
        "found", "seizures", "false_alarms"))
    sensitivity, rate = (
        report.with_interval(score[key]) if isinstance(score.get(key), dict)
        else "-" for key in ("sensitivity", "false_alarms_per_24h"))
    return [f"{found}/{seizures}", sensitivity,
            f"{alarms} in {report.hours(score.get('hours'))} h", rate]


def _plain(text: object, special: str = r"\\`*_\[\]<>|#!") -> str:
    """A line without any meaning in Markdown, or with other characters."""
    return re.sub(f"([{special}])", r"\\\1",
                  re.sub(r"[^ -~]+", " ", str(text)))
