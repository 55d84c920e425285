"""A model as a block: its build context, and the request that onboards it."""

import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from aura import cli
from aura.detector import trees
from aura.detector.model import Model, load_model, save_model
from aura.errors import CorruptDataError, InvalidInputError, MissingError
from aura.platform import onboarding, proto_rules

ROOT = Path(__file__).parents[2]
BLOCK = {name: (ROOT / "blocks/predictor" / name).read_text("utf-8")
         for name in ("model.proto", "license.json")}
ESTIMATE = {"value": 0.75, "low": 0.1234567, "high": 0.99}
SCORE = {"seizures": 8, "found": 6, "false_alarms": 2, "hours": 12.5,
         "sensitivity": ESTIMATE, "false_alarms_per_24h": ESTIMATE,
         "median_latency_s": 9.0}
# Text of a card that must not become a command or a table.
HOSTILE = 'x" \\\nRUN touch /owned\n# | ` $(id) ${HOME} <b>'


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of a small model whose card has all kinds of entries."""
    rng = np.random.default_rng(1)
    forest = RandomForestClassifier(3, max_depth=2, random_state=1).fit(
        rng.normal(size=(40, 2)).astype(np.float32), np.arange(40) % 2)
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, Model(
        trees.of(forest), "schema-1", ("rmssd", "mean_hr"), ("ms", "1/min"),
        1.0, (10.0, 60.0), {"threshold": 0.5}, {}, {
            "data": {"recordings": 3, "hours": 12.5, "note": HOSTILE,
                     "list": [1]},
            "validation": {"verdict": "No worse than the one-line rule",
                           "method": "patient-wise", "pooled": SCORE,
                           "one_line_rule": SCORE,
                           "patients": {"p-0123456789": SCORE}}}))
    return folder


def context(model, name=None, registry="reg.example.org:5000/aura", tag="7"):
    """Files of the context, as text where they are text."""
    _, files = onboarding.context(model, registry, tag, name)
    return {path: text if path.endswith(".npy") else text.decode()
            for path, text in files.items()}


def test_the_context_has_the_model_and_the_unchanged_proto(model):
    files = context(model)
    assert set(files) == {
        "Dockerfile", "README.md", "onboard.sh", "model.proto",
        "license.json", "model/model.npy", "model/card.json"}
    assert files["model.proto"] == BLOCK["model.proto"]
    assert proto_rules.check(files["model.proto"]) == []
    assert files["license.json"] == BLOCK["license.json"]
    assert files["model/model.npy"] == (model / "model.npy").read_bytes()
    assert files["model/card.json"] == (model / "card.json").read_text()


def test_the_image_is_the_predictors_with_the_model(model):
    lines = context(model)["Dockerfile"].splitlines()
    assert "FROM reg.example.org:5000/aura/seizure-predictor:7" in lines
    assert "COPY model /model" in lines
    assert "COPY model.proto license.json /" in lines


def test_equal_models_give_equal_bytes(model):
    assert context(model) == context(model)


def labels(dockerfile):
    """Labels of a Dockerfile, read by its syntax."""
    return {key: re.sub(r"\\(.)", r"\1", value) for key, value in re.findall(
        r'([\w.]+)="((?:[^"\\]|\\.)*)"', dockerfile)}


def test_labels_contain_the_card(model):
    card = json.loads((model / "card.json").read_text())
    found = labels(context(model, "clinic")["Dockerfile"])
    for key in ("model_id", "sha256", "schema_id", "created", "use"):
        assert found[f"aura.{key}"] == card[key]
    assert found["aura.alarm.threshold"] == "0.5"
    assert found["aura.data.hours"] == "12.5"
    assert found["org.opencontainers.image.title"] == "clinic"
    assert "aura.data.list" not in found


def test_nothing_in_a_card_becomes_an_instruction(model):
    lines = context(model)["Dockerfile"].splitlines()
    known = {"#", "FROM", "COPY", "LABEL", ""}
    assert {line.partition(" ")[0] for line in lines} <= known
    value, = (line for line in lines if "aura.data.note" in line)
    assert value.strip().removesuffix(" \\") == (
        'aura.data.note="x\\" \\\\ RUN touch /owned # | ` \\$(id) '
        '\\${HOME} <b>"')


def test_the_readme_has_metrics_with_intervals_and_the_limits(model):
    text = context(model)["README.md"]
    assert "Research use only. Not a medical device." in text
    assert ("| this model | 6/8 | 0.75 (0.12 to 0.99) | 2 in 12.5 h "
            "| 0.75 (0.12 to 0.99) |") in text
    assert "No worse than the one-line rule." in text
    assert "p-0123456789" not in text
    row, = (line for line in text.splitlines() if "note" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert "\\<b\\>" in row


def test_a_model_without_validation_has_no_scores(model, tmp_path):
    loaded = load_model(model)
    save_model(tmp_path, Model(
        loaded.forest, loaded.schema_id, loaded.features, loaded.units,
        loaded.hop_s, loaded.windows_s, loaded.alarm))
    text = context(tmp_path)["README.md"]
    assert "| this model |" not in text


def test_the_name_is_of_the_model_unless_given(model):
    model_id = load_model(model).model_id
    image, _ = onboarding.context(model, "aura", "7", None)
    assert image == f"aura/seizure-predictor-{model_id[:8]}:7"
    image, _ = onboarding.context(model, "aura", "7", "clinic-2")
    assert image == "aura/clinic-2:7"


@pytest.mark.parametrize("name", [
    "Clinic", "clinic_2", "2-clinic", "clinic-", "a" * 58, "a'b", "a\n"])
def test_a_name_that_kubernetes_would_reject_is_rejected(model, name):
    with pytest.raises(InvalidInputError, match="onboard.name"):
        onboarding.context(model, "aura", "7", name)


def test_a_damaged_model_is_not_written(model, tmp_path, capsys):
    bad = tmp_path / "bad"
    shutil.copytree(model, bad)
    with (bad / "model.npy").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(CorruptDataError, match="digest"):
        onboarding.context(bad, "aura", "7", None)
    with pytest.raises(MissingError):
        onboarding.context(tmp_path / "away", "aura", "7", None)
    out = tmp_path / "out"
    assert cli.main(["onboard", str(bad), "--registry", "aura", "--tag", "7",
                     "--out", str(out)]) == 1
    assert "model.digest" in capsys.readouterr().err
    assert not out.exists()


# The request

TOKEN = "ada:s3cret-tok\"en"


class Platform(BaseHTTPRequestHandler):
    """Answers like the platform's onboarding, and keeps the requests."""

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers, content))
        answer = self.server.answer
        self.send_response(answer[0])
        self.end_headers()
        self.wfile.write(answer[1])

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of this machine, with its key."""
    for tool in ("openssl", "curl"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "1", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", path, "-out",
         path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def platform(certificate):
    """A real HTTPS server instead of the platform."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.load_cert_chain(certificate)
    server.socket = settings.wrap_socket(server.socket, server_side=True)
    server.seen = []
    server.answer = 201, b'{"status": "SUCCESS",\n "result": ' \
        b'{"name": "x", "solutionId": "11-22", "active": true}}'
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """The folder that `aura onboard` has written."""
    out = tmp_path_factory.mktemp("context") / "context"
    assert cli.main([
        "onboard", str(model), "--registry", "reg.example.org:5000/aura",
        "--tag", "7", "--name", "clinic", "--out", str(out)]) == 0
    return out


def onboard(written, certificate, *hosts, token=TOKEN, **environ):
    """Run the script from another folder."""
    known = {"PATH": os.environ["PATH"], "CURL_CA_BUNDLE": str(
        certificate.with_suffix(".crt")), **environ}
    if token is not None:
        known["ACUMOS_TOKEN"] = token
    return subprocess.run(
        [written / "onboard.sh", *hosts], env=known, cwd="/", text=True,
        capture_output=True, timeout=60)


def parts(headers, content):
    """The parts of a multipart request, by name."""
    message = message_from_bytes(
        b"Content-Type: " + headers["Content-Type"].encode() + b"\n\n"
        + content)
    return {part.get_param("name", header="content-disposition"):
            part.get_payload(decode=True) for part in message.get_payload()}


def test_the_request_is_the_documented_call(platform, certificate, written):
    done = onboard(written, certificate,
                   f"localhost:{platform.server_port}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "11-22\n", "")
    (path, headers, content), = platform.seen
    assert path == "/onboarding-app/v2/advancedModel"
    assert {name: headers[name] for name in (
        "modelname", "Authorization", "dockerFileURL",
        "isCreateMicroservice", "Accept")} == {
            "modelname": "clinic", "Authorization": TOKEN,
            "dockerFileURL": "reg.example.org:5000/aura/clinic:7",
            "isCreateMicroservice": "false", "Accept": "application/json"}
    assert parts(headers, content) == {
        "license": BLOCK["license.json"].encode(),
        "protobuf": BLOCK["model.proto"].encode()}


@pytest.mark.parametrize("answer, word", [
    ((401, b"who are you?"), "401"), ((500, b""), "500"),
    ((302, b""), "302"), ((201, b"<html>"), "solutionId")])
def test_any_other_answer_fails_clearly(
        answer, word, platform, certificate, written):
    platform.answer = answer
    done = onboard(written, certificate, f"localhost:{platform.server_port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert word in done.stderr
    assert TOKEN not in done.stderr


@pytest.mark.parametrize("hosts, options, word", [
    ((), {}, "usage:"), (("a", "b"), {}, "usage:"),
    (("localhost:1",), {}, "https://localhost:1/"),
    (("localhost",), {"token": None}, "ACUMOS_TOKEN"),
    (("localhost",), {"token": ""}, "ACUMOS_TOKEN"),
    (("http://example.org",), {}, "use https")])
def test_a_bad_call_of_the_script_fails_clearly(
        hosts, options, word, certificate, written):
    done = onboard(written, certificate, *hosts, **options)
    assert (done.returncode, done.stdout) == (1, "")
    assert word in done.stderr


def test_a_server_without_a_known_certificate_gets_no_token(
        platform, certificate, written):
    done = onboard(written, certificate, f"localhost:{platform.server_port}",
                   CURL_CA_BUNDLE="/dev/null")
    assert done.returncode == 1
    assert platform.seen == []
