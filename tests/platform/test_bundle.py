"""Bundles: written as the platform writes them, and checked."""

import json
from pathlib import Path

import pytest
import yaml

from aura import cli
from aura.blocks import BLOCKS
from aura.errors import InvalidInputError
from aura.platform import blueprint, bundle_rules
from aura.platform.bundle import (
    ORCHESTRATOR_IMAGE,
    image_name,
    make_bundle,
    with_images,
)
from aura.platform.bundle_files import addresses

ROOT = Path(__file__).parents[2]
SOLUTIONS = {"training": ["ecg-loader", "feature-builder", "seizure-trainer"],
             "prediction": ["ecg-loader", "feature-builder",
                            "seizure-predictor", "influx-exporter"]}


def content_of(name):
    """Content of a blueprint of the project."""
    return json.loads((ROOT / "solutions" / f"{name}.json").read_text())


def bundle(name="prediction", registry="reg.example.org:5000/aura", tag="7"):
    """The files of a bundle."""
    return make_bundle(with_images(content_of(name), registry, tag))


@pytest.fixture(scope="module")
def files():
    """The prediction solution; not to be changed."""
    return bundle()


def objects(files):
    """The Kubernetes objects of a bundle, by file name."""
    return {Path(path).stem: yaml.safe_load(text)
            for path, text in files.items() if path.endswith(".yaml")}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_bundle_holds_what_a_download_holds(name):
    nodes = [f"{block}1" for block in SOLUTIONS[name]]
    assert set(bundle(name)) == {
        "blueprint.json", "dockerinfo.json", "deployments/pvc.yaml",
        *(f"microservice/{node}.proto" for node in nodes),
        *(f"deployments/{node}_{kind}.yaml"
          for node in [*nodes, "orchestrator"]
          for kind in ("deployment", "service"))}


def test_a_bundle_takes_an_onboarded_model_in_place_of_the_predictor(files):
    known = make_bundle(with_images(
        content_of("prediction"), "reg.example.org:5000/aura", "7", "clinic"))
    assert bundle_rules.check(known) == []
    assert known == {
        path.replace("seizure-predictor", "clinic"):
        text.replace(b"seizure-predictor", b"clinic")
        for path, text in files.items()}


def test_a_solution_without_a_predictor_takes_no_model():
    with pytest.raises(InvalidInputError) as caught:
        with_images(content_of("training"), "r.example.org", "7", "clinic")
    assert caught.value.rule == "solution.model"


def test_equal_inputs_give_equal_bytes(files):
    assert bundle() == files
    assert bundle(tag="8") != files


def test_the_blueprint_names_the_images_and_is_else_the_same(files):
    content = json.loads(files["blueprint.json"])
    plan = blueprint.parse(json.dumps(content))
    assert [node.image for node in plan.nodes] == [
        f"reg.example.org:5000/aura/{name}:7"
        for name in SOLUTIONS["prediction"]]
    original = content_of("prediction")
    for node, known in zip(content["nodes"], original["nodes"], strict=True):
        assert node["proto_uri"].endswith("-7.proto")
        node.update(image=known["image"], proto_uri=known["proto_uri"])
    assert content == original


def test_dockerinfo_is_as_downloaded_with_ports_as_text(files):
    entries = json.loads(files["dockerinfo.json"])["docker_info_list"]
    assert entries[0] == {"container_name": "ecg-loader1",
                          "ip_address": "ecg-loader1", "port": "8556"}
    assert entries[-1] == {"container_name": "orchestrator",
                           "ip_address": "orchestrator", "port": "8061"}
    assert len(entries) == 5


def test_protos_are_those_of_the_blocks(files):
    for block in BLOCKS:
        path = f"microservice/{block.name}1.proto"
        if path in files:
            assert files[path] == (
                ROOT / "blocks" / block.folder / "model.proto").read_bytes()


@pytest.mark.parametrize("name", [
    "ecg-loader1", "influx-exporter1", "orchestrator"])
def test_a_deployment_is_as_the_platforms(files, name):
    port = "mc-api" if name == "orchestrator" else "protobuf-api"
    image = (ORCHESTRATOR_IMAGE if name == "orchestrator" else
             f"reg.example.org:5000/aura/{name[:-1]}:7")
    assert objects(files)[f"{name}_deployment"] == {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {
                "imagePullSecrets": [{"name": "acumos-registry"}],
                "containers": [{
                    "name": name, "image": image,
                    "ports": [{"name": port, "containerPort": 8061},
                              {"name": "webui", "containerPort": 8062}],
                    "env": [{"name": "SHARED_FOLDER_PATH",
                             "value": "sharedfolder1"}],
                    "volumeMounts": [
                        {"mountPath": "sharedfolder1", "name": name}]}],
                "volumes": [{"name": name, "persistentVolumeClaim": {
                    "claimName": "pipeline"}}]}}}}


def test_services_are_as_the_platforms(files):
    found = objects(files)
    assert found["ecg-loader1_service"] == {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "ecg-loader1"},
        "spec": {"selector": {"app": "ecg-loader1"}, "type": "NodePort",
                 "ports": [{"name": "protobuf-api", "port": 8556,
                            "targetPort": 8061}]}}
    assert found["orchestrator_service"]["spec"]["ports"] == [{
        "name": "mc-api", "nodePort": 30555, "port": 8061,
        "targetPort": 8061}]


def test_the_claim_is_as_the_platforms(files):
    assert objects(files)["pvc"] == {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "pipeline"},
        "spec": {"storageClassName": "", "accessModes": ["ReadWriteMany"],
                 "resources": {"requests": {"storage": "1Gi"}}}}


def test_yaml_survives_the_loss_of_its_single_quotes(files):
    assert not any(b"'" in text for path, text in files.items()
                   if path.endswith(".yaml"))


@pytest.mark.parametrize("tag", ["1", "1.0", "on", "null", "0x1f", "1e3"])
def test_a_tag_stays_text_in_yaml(tag):
    found = objects(bundle(registry="aura", tag=tag))
    image, = found["ecg-loader1_deployment"]["spec"]["template"]["spec"][
        "containers"]
    assert image["image"] == f"aura/ecg-loader:{tag}"


@pytest.mark.parametrize("registry", [
    "aura", "reg:5000", "reg.example.org:5000/a/b-c", "docker.io/aura_2"])
def test_registries_come_with_ports_and_paths(registry):
    assert image_name(registry, "n", "1") == f"{registry}/n:1"


@pytest.mark.parametrize("registry", [
    "https://reg.example.org", "Aura", "", "a b", "aura/", "reg:port/aura",
    "reg:5000:1", "aura'x", "aura\n"])
def test_a_bad_registry_is_rejected(registry):
    with pytest.raises(InvalidInputError, match="solution.registry"):
        bundle(registry=registry)


@pytest.mark.parametrize("tag", ["", "a b", ".1", "a/b", "x" * 129, "1\n"])
def test_a_bad_tag_is_rejected(tag):
    with pytest.raises(InvalidInputError, match="solution.tag"):
        bundle(tag=tag)


def test_addresses_come_from_both_states_of_dockerinfo(files):
    plan = blueprint.parse(files["blueprint.json"].decode())
    text = files["dockerinfo.json"].decode()
    assert addresses(text, plan)[
        "influx-exporter1"] == "influx-exporter1:8556"
    assert addresses(text.replace('"8556"', "30001"), plan)[
        "ecg-loader1"] == "ecg-loader1:30001"


# Faults that the check finds

def edit(files, path, *changes):
    """Replace text in a file; each has to be there."""
    text = files[path].decode()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    files[path] = text.encode()


def edit_blueprint(files, change):
    content = json.loads(files["blueprint.json"])
    change(content["nodes"])
    files["blueprint.json"] = json.dumps(content).encode()


def edit_dockerinfo(files, change):
    content = json.loads(files["dockerinfo.json"])
    change(content["docker_info_list"])
    files["dockerinfo.json"] = json.dumps(content).encode()


def call(nodes, number):
    """The rpc of a node in the content of a blueprint."""
    return nodes[number]["operation_signature_list"][0]


def signature(nodes, number, **changes):
    call(nodes, number)["operation_signature"].update(changes)


def link(nodes, number, node, operation):
    call(nodes, number)["connected_to"].append(
        {"container_name": node,
         "operation_signature": {"operation_name": operation}})


def rename(files, old, new):
    """Another name for a node in all files, as the canvas would give it."""
    renamed = {path.replace(old, new): text.replace(
        old.encode(), new.encode()) for path, text in files.items()}
    files.clear()
    files.update(renamed)


def add_shared_folder(nodes):
    nodes.append({
        "container_name": "sharedfolder1", "node_type": "SharedFolder",
        "operation_signature_list": [{
            "operation_signature": {
                "operation_name": "provideFolder",
                "input_message_name": "Empty",
                "output_message_name": "SharedFolderRequest"},
            "connected_to": []}]})


def add_mount(nodes):
    nodes[1]["operation_signature_list"].append({
        "operation_signature": {
            "operation_name": "mountVolume",
            "input_message_name": "SharedFolderRequest",
            "output_message_name": "SharedFolderStatus"},
        "connected_to": []})


LOADER = "microservice/ecg-loader1.proto"
BUILDER = "microservice/feature-builder1.proto"
EXPORTER = "microservice/influx-exporter1.proto"
LOADER_POD = "deployments/ecg-loader1_deployment.yaml"
LOADER_SERVICE = "deployments/ecg-loader1_service.yaml"
PVC = "deployments/pvc.yaml"

# fault: (change, rule of the finding, a word of its text)
WRONG = {
    "no blueprint": (lambda f: f.pop("blueprint.json"),
                     "solution.missing", "blueprint.json"),
    "no dockerinfo": (lambda f: f.pop("dockerinfo.json"),
                      "solution.missing", "dockerinfo.json"),
    "blueprint is no JSON": (lambda f: f.update({"blueprint.json": b"{"}),
                             "blueprint.json", "JSON"),
    "blueprint goes too deep": (
        lambda f: f.update({"blueprint.json": b"[" * 100_000}),
        "blueprint.json", "JSON"),
    "dockerinfo is no list": (
        lambda f: f.update({"dockerinfo.json": b"{}"}),
        "dockerinfo.field", "docker_info_list"),
    "not UTF-8": (lambda f: f.update({LOADER: b"\xff"}),
                  "solution.text", "ecg-loader1"),
    "proto layout": (lambda f: edit(f, LOADER, ("= 1;", "=1;")),
                     "proto.layout", "ecg-loader1"),
    "proto with a package": (
        lambda f: edit(f, LOADER, ("\nmessage Empty", "\npackage a;\n"
                                   "\nmessage Empty")),
        "proto.forbidden", "package"),
    "message in two forms": (
        lambda f: edit(f, LOADER, ("ecg_hours", "hours")),
        "proto.clash", "EcgBatch"),
    "ports alike": (
        lambda f: edit(f, EXPORTER, (
            "message ExportReport {\n", "message ExportReport {\n"
            "  string run = 1;\n  int32 b = 2;\n  int32 c = 3;\n"
            "  bool d = 4;\n  string e = 5;\n  int32 f = 6;\n"
            "  double g = 7;\n  string h = 8;\n}\n\nmessage Rest {\n")),
        "proto.ambiguous", "EcgBatch"),
    "Empty as answer": (
        lambda f: edit(f, EXPORTER, (
            "returns (ExportReport)", "returns (Empty)"), (
            "message ExportReport", "message Empty {\n}\n\n"
            "message ExportReport")),
        "proto.empty", "influx-exporter1"),
    "name with a capital": (lambda f: rename(f, "ecg-loader1", "Ecg-Loader1"),
                            "blueprint.name", "Ecg-Loader1"),
    "name with an underscore": (
        lambda f: rename(f, "ecg-loader1", "ecg_loader1"),
        "blueprint.name", "ecg_loader1"),
    "name too long for its page": (
        lambda f: rename(f, "ecg-loader1", "a" * 58 + "1"),
        "solution.name", "webui"),
    "name of the orchestrator": (
        lambda f: edit_blueprint(
            f, lambda n: n[0].update(container_name="orchestrator")),
        "solution.name", "orchestrator"),
    "name of another's page": (
        lambda f: rename(f, "ecg-loader1", "influx-exporter1webui"),
        "solution.name", "influx-exporter1"),
    "the same name twice": (
        lambda f: edit_blueprint(
            f, lambda n: n[1].update(container_name="ecg-loader1")),
        "blueprint.duplicate", "ecg-loader1"),
    "isolated node": (
        lambda f: edit_blueprint(
            f, lambda n: n[3].update(operation_signature_list=[])),
        "blueprint.unreachable", "influx-exporter1"),
    "unreachable node": (
        lambda f: edit_blueprint(
            f, lambda n: call(n, 1).update(connected_to=[])),
        "blueprint.unreachable", "seizure-predictor1.predict"),
    "circle": (
        lambda f: edit_blueprint(
            f, lambda n: link(n, 3, "feature-builder1", "build_features")),
        "blueprint.circle", "feature-builder1"),
    "link to nowhere": (
        lambda f: edit_blueprint(f, lambda n: link(n, 3, "away1", "go")),
        "blueprint.link", "away1.go"),
    "link drawn twice": (
        lambda f: edit_blueprint(
            f, lambda n: link(n, 0, "feature-builder1", "build_features")),
        "solution.link", "2 times"),
    "sink wired to a loader": (
        lambda f: edit_blueprint(
            f, lambda n: link(n, 3, "ecg-loader1", "load_recordings")),
        "blueprint.source", "load_recordings"),
    "no source": (
        lambda f: edit_blueprint(
            f, lambda n: signature(n, 0, input_message_name="Full")),
        "blueprint.no_source", "Empty"),
    "link to another message": (
        lambda f: edit_blueprint(
            f, lambda n: link(n, 0, "influx-exporter1", "export")),
        "blueprint.type", "PredictionTable"),
    "no proto of a node": (lambda f: f.pop(BUILDER),
                           "solution.proto", "feature-builder1"),
    "proto of no node": (
        lambda f: f.update({"microservice/other1.proto": f[LOADER]}),
        "solution.proto", "other1"),
    "operation that is not in the proto": (
        lambda f: edit(f, "blueprint.json", ("predict\"", "guess\"")),
        "solution.operation", "seizure-predictor1.guess"),
    "input that is not the proto's": (
        lambda f: edit(f, "blueprint.json", ("EcgBatch", "Batch")),
        "solution.message", "feature-builder1.build_features takes"),
    "answer that is not the proto's": (
        lambda f: edit_blueprint(
            f, lambda n: signature(n, 3, output_message_name="Report")),
        "solution.message", "influx-exporter1.export returns"),
    "stream only in the blueprint": (
        lambda f: edit_blueprint(
            f, lambda n: signature(n, 0, output_message_stream=True)),
        "solution.stream", "ecg-loader1.load_recordings returns a stream"),
    "stream only in the proto": (
        lambda f: edit(f, BUILDER, ("(EcgBatch)", "(stream EcgBatch)")),
        "solution.stream", "feature-builder1.build_features takes a single"),
    "stream that goes in": (
        lambda f: (edit(f, BUILDER, ("(EcgBatch)", "(stream EcgBatch)")),
                   edit_blueprint(f, lambda n: signature(
                       n, 1, input_message_stream=True))),
        "solution.stream", "loses messages"),
    "shared folder not removed": (
        lambda f: edit_blueprint(f, add_shared_folder),
        "solution.shared_folder", "sharedfolder1"),
    "mountVolume not removed": (
        lambda f: edit_blueprint(f, add_mount),
        "solution.shared_folder", "feature-builder1.mountVolume"),
    "no address of a node": (
        lambda f: edit_dockerinfo(f, lambda e: e.pop(1)),
        "dockerinfo.missing", "feature-builder1"),
    "no address of the orchestrator": (
        lambda f: edit_dockerinfo(f, lambda e: e.pop()),
        "dockerinfo.missing", "orchestrator"),
    "address of no node": (
        lambda f: edit_dockerinfo(f, lambda e: e.append(
            {"container_name": "x1", "ip_address": "x1", "port": "1"})),
        "dockerinfo.stranger", "x1"),
    "address twice": (
        lambda f: edit_dockerinfo(f, lambda e: e.append(dict(e[0]))),
        "dockerinfo.duplicate", "ecg-loader1"),
    "one address for two": (
        lambda f: edit_dockerinfo(f, lambda e: e[1].update(
            ip_address="ecg-loader1")),
        "dockerinfo.address", "feature-builder1"),
    "port of no kind": (
        lambda f: edit_dockerinfo(f, lambda e: e[1].update(port="http")),
        "dockerinfo.field", "list[1]"),
    "port too high": (
        lambda f: edit_dockerinfo(f, lambda e: e[1].update(port=65536)),
        "dockerinfo.field", "list[1]"),
    "no deployments": (
        lambda f: [f.pop(path) for path in list(f) if "deployments" in path],
        "deployment.missing", "deployments"),
    "no deployment of a node": (lambda f: f.pop(LOADER_POD),
                                "deployment.missing", "ecg-loader1"),
    "no service of a node": (lambda f: f.pop(LOADER_SERVICE),
                             "deployment.missing", "ecg-loader1"),
    "deployment is no YAML": (lambda f: f.update({LOADER_POD: b"a: [b"}),
                              "deployment.yaml", "ecg-loader1"),
    "deployment with code": (
        lambda f: f.update({LOADER_POD: b"!!python/object/apply:os.getcwd []"}
                           ), "deployment.yaml", "ecg-loader1"),
    "another image": (
        lambda f: edit(f, LOADER_POD, ("ecg-loader:7", "ecg-loader:8")),
        "deployment.mismatch", "ecg-loader:8"),
    "another port of the container": (
        lambda f: edit(f, LOADER_POD, ("8061", "8063")),
        "deployment.mismatch", "8061"),
    "labels that select nothing": (
        lambda f: edit(f, LOADER_SERVICE, ("app: ecg-loader1", "app: x")),
        "deployment.mismatch", "spec.selector.app"),
    "service to another port": (
        lambda f: edit(f, LOADER_SERVICE, ("targetPort: 8061",
                                           "targetPort: 8062")),
        "deployment.mismatch", "targetPort"),
    "service at another port than dockerinfo": (
        lambda f: edit(f, LOADER_SERVICE, ("port: 8556", "port: 8557")),
        "deployment.mismatch", "8556"),
    "shared folder not mounted": (
        lambda f: edit(f, LOADER_POD, ("mountPath: sharedfolder1",
                                       "mountPath: /data")),
        "deployment.shared_folder", "not mounted"),
    "shared folder of another claim": (
        lambda f: edit(f, LOADER_POD, ("claimName: pipeline",
                                       "claimName: other")),
        "deployment.shared_folder", "not mounted"),
    "shared folder of one node only": (
        lambda f: edit(f, LOADER_POD, ("SHARED_FOLDER_PATH", "OTHER")),
        "deployment.shared_folder", "ecg-loader1 none"),
    "shared folder of no node": (
        lambda f: [edit(f, path, ("SHARED_FOLDER_PATH", "OTHER"))
                   for path in f if path.endswith("1_deployment.yaml")],
        "deployment.shared_folder", "no node"),
    "no claim": (lambda f: f.pop(PVC), "deployment.missing", "pvc.yaml"),
    "claim for one node": (
        lambda f: edit(f, PVC, ("ReadWriteMany", "ReadWriteOnce")),
        "deployment.mismatch", "ReadWriteOnce"),
    "deployment of no node": (
        lambda f: f.update({"deployments/sharedfolder1_deployment.yaml":
                            f[LOADER_POD]}),
        "deployment.stranger", "sharedfolder1"),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_our_own_bundles_have_no_finding(name):
    assert bundle_rules.check(bundle(name)) == []


@pytest.mark.parametrize("what", WRONG)
def test_the_check_finds(what, files):
    change, rule, word = WRONG[what]
    changed = dict(files)
    change(changed)
    found = [problem for problem in bundle_rules.check(changed)
             if problem.rule == rule]
    assert any(word in problem.text for problem in found), found


def test_all_findings_are_listed(files):
    changed = dict(files)
    wrong = ["proto layout", "no address of a node", "no claim",
             "answer that is not the proto's", "name too long for its page"]
    for what in wrong:
        WRONG[what][0](changed)
    rules = {problem.rule for problem in bundle_rules.check(changed)}
    assert rules >= {WRONG[what][1] for what in wrong}


def test_every_finding_is_one_line_with_a_way_out(files):
    for change, _, _ in WRONG.values():
        changed = dict(files)
        change(changed)
        for problem in bundle_rules.check(changed):
            assert "\n" not in problem.text
            assert "; " in problem.text


def test_a_bundle_has_no_finding_after_the_platforms_script(files):
    changed = dict(files)
    edit_dockerinfo(changed, lambda entries: [
        entry.update(port=30001 + number)
        for number, entry in enumerate(entries)])
    for number, name in enumerate(
            [*SOLUTIONS["prediction"], "orchestrator"]):
        node = name if name == "orchestrator" else f"{name}1"
        path = f"deployments/{node}_service.yaml"
        content = yaml.safe_load(changed[path])
        content["spec"]["ports"][0].update(
            port=30001 + number, nodePort=30001 + number)
        changed[path] = yaml.dump(content).encode()
        content["metadata"]["name"] += "webui"
        changed[path.replace("service", "service_webui")] = yaml.dump(
            content).encode()
        path = f"deployments/{node}_deployment.yaml"
        content = yaml.safe_load(changed[path])
        content["spec"]["template"]["spec"]["containers"][0][
            "imagePullPolicy"] = "Always"
        changed[path] = yaml.dump(content).encode()
    assert bundle_rules.check(changed) == []


def test_an_onboarded_model_takes_the_predictors_place():
    files = bundle()
    rename(files, "seizure-predictor1", "clinic-model2")
    assert bundle_rules.check(files) == []


# The commands

def run(*arguments):
    return cli.main(["solution", *map(str, arguments)])


def test_the_commands_write_and_check_a_bundle(tmp_path, capsys):
    out = tmp_path / "bundle"
    for _ in range(2):
        assert run("bundle", "training", "--registry", "aura", "--tag", "1",
                   "--out", out) == 0
    assert {path.relative_to(out).as_posix(): path.read_bytes()
            for path in out.rglob("*") if path.is_file()} == bundle(
                "training", "aura", "1")
    assert run("check", out) == 0
    (out / "deployments/pvc.yaml").unlink()
    capsys.readouterr()
    assert run("check", out) == 1
    line, = capsys.readouterr().out.splitlines()
    assert line.startswith("deployment.missing: ") and "pvc.yaml" in line


def test_a_bundle_replaces_another_completely(tmp_path):
    for name in SOLUTIONS:
        assert run("bundle", name, "--registry", "aura", "--tag", "1",
                   "--out", tmp_path) == 0
        assert run("check", tmp_path) == 0


def test_a_folder_with_other_files_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert run("bundle", "training", "--registry", "aura", "--tag", "1",
               "--out", tmp_path) == 1
    assert "out.taken" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_missing_folder_is_reported(tmp_path, capsys):
    assert run("check", tmp_path / "away") == 1
    assert "solution.folder" in capsys.readouterr().err


@pytest.mark.parametrize("dockerinfo, rule", [
    (None, "run.no_dockerinfo"), ("[", "dockerinfo.json"),
    ("[]", "dockerinfo.field"),
    ('{"docker_info_list": []}', "dockerinfo.missing")])
def test_a_run_with_bad_addresses_ends_with_their_rule(
        dockerinfo, rule, tmp_path, capsys):
    path = tmp_path / "dockerinfo.json"
    if dockerinfo is not None:
        path.write_text(dockerinfo)
    assert cli.main(["run", "training", "--shared", str(tmp_path),
                     "--connect", str(path)]) == 1
    assert f"{rule}: " in capsys.readouterr().err


def test_an_unknown_solution_is_reported(tmp_path, capsys):
    assert cli.main(["run", "trainign", "--shared", str(tmp_path)]) == 1
    assert "run.no_solution" in capsys.readouterr().err
