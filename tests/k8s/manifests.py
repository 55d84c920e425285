"""Kustomizations as Kubernetes gets them, or as far as YAML shows it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
OLDEST_KUBECTL = (1, 21)


def kubectl():
    """The kubectl of this machine, if it knows components; else skip."""
    path = shutil.which("kubectl")
    if path is None:
        pytest.skip("there is no kubectl on this machine")
    said = json.loads(subprocess.run(
        [path, "version", "--client", "-o", "json"], check=True,
        capture_output=True, text=True).stdout)
    check_version(said["clientVersion"]["gitVersion"])
    return path


def check_version(version):
    """Skip below 1.21, whose -k takes a component for a mistake."""
    major, minor = version.lstrip("v").split(".")[:2]
    if (int(major), int(minor)) < OLDEST_KUBECTL:
        pytest.skip(f"kubectl {version} knows no components in a "
                    "kustomization; 1.21 or newer is needed")


def rendered(folder):
    """What `kubectl apply -k` would send."""
    done = subprocess.run([kubectl(), "kustomize", str(folder)], text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def written(folder):
    """The same from the files, patches and generated objects left out."""
    content = read(folder / "kustomization.yaml")
    things = []
    for name in (*content.get("resources", ()),
                 *content.get("components", ())):
        path = (folder / name).resolve()
        things += written(path) if path.is_dir() else [
            thing for thing in yaml.safe_load_all(path.read_text("utf-8"))]
    return things


def read(path):
    return yaml.safe_load(path.read_text("utf-8"))


def kustomizations():
    """Folders that can be applied."""
    return sorted(
        path.parent for path in K8S.glob("**/kustomization.yaml")
        if read(path)["kind"] == "Kustomization")


def by_name(things, kind):
    """The objects of a kind, by their names."""
    return {thing["metadata"]["name"]: thing
            for thing in things if thing["kind"] == kind}


def selects(selector, labels):
    """Whether a Kubernetes label selector takes an object with labels."""
    return all(
        labels.get(key) == value
        for key, value in selector.get("matchLabels", {}).items()
    ) and all(
        labels.get(entry["key"]) in entry["values"]
        for entry in selector.get("matchExpressions", ()))
