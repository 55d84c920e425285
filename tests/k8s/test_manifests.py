"""The Kubernetes manifests, without a cluster."""

import copy
import itertools
import json
import os
import shutil
import subprocess

import pytest
import yaml
from _pytest.outcomes import Skipped
from manifests import (
    K8S,
    ROOT,
    by_name,
    check_version,
    kubectl,
    kustomizations,
    read,
    rendered,
    selects,
    written,
)
from pod_rules import hardened, pod_of, probed, restricted

from aura.blocks import BLOCKS, offering
from aura.cli import main
from aura.platform import blueprint, repository
from aura.platform.bundle import GRPC_PORT, ORCHESTRATOR
from aura.platform.bundle_files import addresses, replicated
from aura.rpc.server import Endpoint

SOLUTIONS = tuple(repository.solutions())
OLDEST, NEWEST = 25, 37
PLANS = {name: blueprint.parse(
    (ROOT / f"solutions/{name}.json").read_text("utf-8"))
    for name in SOLUTIONS}
# Whom a runner calls, from the blueprints: the names of the blocks' pods.
CALLED = {name: {offering(node.rpcs[0].name).name for node in plan.nodes}
          for name, plan in PLANS.items()}

for_each_block = pytest.mark.parametrize(
    "block", BLOCKS, ids=lambda block: block.name)
for_each_solution = pytest.mark.parametrize("name", SOLUTIONS)


@pytest.fixture(params=kustomizations(),
                ids=lambda path: str(path.relative_to(K8S)))
def things(request):
    """All objects of a kustomization."""
    return (rendered if shutil.which("kubectl") else written)(request.param)


@pytest.fixture(scope="module")
def everything():
    """All objects of both solutions, none twice."""
    return list({(thing["kind"], thing["metadata"]["name"]): thing
                 for name in SOLUTIONS
                 for thing in written(K8S / "solutions" / name)}.values())


@pytest.fixture(scope="module")
def pods(everything):
    """The labels of every pod, by the name of what makes it."""
    return {thing["metadata"]["name"]: pod["metadata"]["labels"]
            for thing in everything if (pod := pod_of(thing))}


def test_every_pod_meets_the_restricted_standard_and_the_guides(things):
    found = {thing["metadata"]["name"]: [
        *restricted(pod), *hardened(pod),
        *(probed(pod) if thing["kind"] == "Deployment" else ())]
        for thing in things if (pod := pod_of(thing))}
    assert found == {name: [] for name in found}


@pytest.mark.parametrize("place, value, rule", [
    ("hostNetwork", True, "hostNetwork"),
    ("hostPID", True, "hostPID"),
    ("volumes.0", {"name": "shared", "hostPath": {"path": "/"}}, "volume"),
    ("volumes.1.emptyDir", {}, "sizeLimit"),
    ("automountServiceAccountToken", True, "token"),
    ("securityContext.runAsNonRoot", False, "runAsNonRoot"),
    ("securityContext.runAsUser", 0, "runAsUser"),
    ("securityContext.runAsUser", 1000, "numericUser"),
    ("securityContext.fsGroup", None, "fsGroup"),
    ("securityContext.seccompProfile.type", "Unconfined", "seccompProfile"),
    ("securityContext.sysctls", [{"name": "a", "value": "1"}], "sysctls"),
    ("containers.0.securityContext.privileged", True, "privileged"),
    ("containers.0.securityContext.allowPrivilegeEscalation", True,
     "allowPrivilegeEscalation"),
    ("containers.0.securityContext.capabilities.drop", ["KILL"], "drop"),
    ("containers.0.securityContext.capabilities.add", ["KILL"], "add"),
    ("containers.0.securityContext.procMount", "Unmasked", "procMount"),
    ("containers.0.securityContext.readOnlyRootFilesystem", False,
     "readOnlyRootFilesystem"),
    ("containers.0.ports.0.hostPort", 8061, "hostPort"),
    ("containers.0.resources.limits", {"cpu": "1"}, "limits"),
    ("containers.0.resources.requests", {}, "requests"),
    ("containers.0.image", "aura/ecg-loader", "tag"),
    ("containers.0.volumeMounts", [], "tmp"),
    ("containers.0.env.0", {"name": "A_TOKEN", "value": "x"}, "secretInEnv"),
])
def test_a_pod_that_breaks_a_rule_is_found(place, value, rule):
    block, = (thing for thing in written(K8S / "base/ecg-loader")
              if thing["kind"] == "Deployment")
    pod = copy.deepcopy(pod_of(block))
    *path, last = [int(key) if key.isdigit() else key
                   for key in place.split(".")]
    inner = pod["spec"]
    for key in path:
        inner = inner[key]
    inner[last] = value
    assert rule in [*restricted(pod), *hardened(pod)]


def test_every_selector_takes_the_pods_that_are_meant(things):
    made = {thing["metadata"]["name"]: pod["metadata"]["labels"]
            for thing in things if (pod := pod_of(thing))}
    for name, thing in by_name(things, "Deployment").items():
        assert [pod for pod, labels in made.items() if selects(
            thing["spec"]["selector"], labels)] == [name]
    for name, thing in by_name(things, "Service").items():
        assert [pod for pod, labels in made.items() if selects(
            {"matchLabels": thing["spec"]["selector"]}, labels)] == [name]
        assert thing["spec"].get("type", "ClusterIP") == "ClusterIP"
    accounts = by_name(things, "ServiceAccount")
    for thing in things:
        if pod := pod_of(thing):
            account = accounts[pod["spec"]["serviceAccountName"]]
            assert account["automountServiceAccountToken"] is False


@for_each_block
def test_a_block_is_deployed_under_its_own_names(everything, block):
    deployment = by_name(everything, "Deployment")[block.name]
    container, = pod_of(deployment)["spec"]["containers"]
    assert container["name"] == block.name
    assert container["image"] == f"aura/{block.name}:dev"
    port, = container["ports"]
    assert port["containerPort"] == Endpoint.port == GRPC_PORT
    assert container["startupProbe"]["grpc"] == {"port": Endpoint.port}
    assert container["livenessProbe"]["grpc"] == {"port": Endpoint.port}
    assert container["readinessProbe"]["grpc"] == {
        "port": Endpoint.port, "service": block.service}
    listed, = by_name(everything, "Service")[block.name]["spec"]["ports"]
    assert (listed["port"], listed["targetPort"]) == (
        Endpoint.port, port["name"])


@for_each_block
def test_calls_in_progress_may_end_before_a_pod_is_killed(everything, block):
    pod = pod_of(by_name(everything, "Deployment")[block.name])
    assert pod["spec"]["terminationGracePeriodSeconds"] > Endpoint.grace_s


def test_all_pods_share_one_folder_that_many_may_write(everything):
    claim, = by_name(everything, "PersistentVolumeClaim").values()
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["storageClassName"] == ""
    for thing in everything:
        if pod := pod_of(thing):
            shared = pod["spec"]["volumes"][0]
            assert shared["persistentVolumeClaim"]["claimName"] == (
                claim["metadata"]["name"])
            container, = pod["spec"]["containers"]
            mount, = (entry for entry in container["volumeMounts"]
                      if entry["name"] == shared["name"])
            assert mount["mountPath"] == "/data/shared"


@for_each_solution
def test_a_solution_deploys_the_blocks_of_its_blueprint(name):
    found = written(K8S / "solutions" / name)
    assert set(by_name(found, "Deployment")) == CALLED[name]
    job, = by_name(found, "Job").values()
    container, = pod_of(job)["spec"]["containers"]
    assert container["image"] == "aura/ecg-loader:dev"
    assert container["command"] == ["python", "-m", "aura", "run", name]
    assert job["spec"]["backoffLimit"] == 0


@for_each_solution
def test_the_runner_finds_every_node_of_the_blueprint(name):
    services = by_name(written(K8S / "solutions" / name), "Service")
    text = (K8S / f"solutions/{name}/dockerinfo.json").read_text("utf-8")
    found = addresses(text, PLANS[name])
    assert found == {
        node.name: f"{offering(node.rpcs[0].name).name}:{Endpoint.port}"
        for node in PLANS[name].nodes}
    # Batches are spread over what has several addresses, and only that.
    assert replicated(text) == {
        node for node, address in found.items()
        if services[address.split(":")[0]]["spec"].get(
            "clusterIP") == "None"} == {"feature-builder1"}


@for_each_solution
def test_the_runner_gets_the_addresses_that_it_is_told_to_read(name):
    found = rendered(K8S / "solutions" / name)
    job, = by_name(found, "Job").values()
    spec = pod_of(job)["spec"]
    volume, = (entry for entry in spec["volumes"] if "configMap" in entry)
    files = by_name(found, "ConfigMap")[volume["configMap"]["name"]]["data"]
    mount, = (entry for entry in spec["containers"][0]["volumeMounts"]
              if entry["name"] == volume["name"])
    path, = (text.partition("=")[2] for text in spec["containers"][0]["args"]
             if text.startswith("--connect="))
    assert path.rpartition("/")[0] == mount["mountPath"]
    assert json.loads(files[path.rpartition("/")[2]]) == json.loads(
        (K8S / f"solutions/{name}/dockerinfo.json").read_text("utf-8"))


def allowed(policies, giver, taker, direction, port):
    """Whether the policies for one pod allow its traffic with another."""
    mine = [policy["spec"] for policy in policies
            if direction in policy["spec"]["policyTypes"]
            and selects(policy["spec"]["podSelector"], giver)]
    if not mine:
        return True
    peers = {"Ingress": "from", "Egress": "to"}[direction]
    return any(
        any(entry["port"] == port for entry in rule["ports"])
        and any("podSelector" in peer
                and selects(peer["podSelector"], taker)
                for peer in rule[peers])
        for policy in mine for rule in policy.get(direction.lower(), ()))


def test_who_may_call_whom_is_what_the_blueprints_say(everything, pods):
    policies = list(by_name(everything, "NetworkPolicy").values())
    stranger = {"app": "stranger"}
    calls = {
        (caller, called) for caller, out in pods.items()
        for called, into in pods.items()
        if allowed(policies, out, into, "Egress", Endpoint.port)
        and allowed(policies, into, out, "Ingress", Endpoint.port)}
    assert calls == {(f"aura-{name}", block)
                     for name in SOLUTIONS for block in CALLED[name]}
    for labels in pods.values():
        for direction in ("Ingress", "Egress"):
            assert not allowed(
                policies, labels, stranger, direction, Endpoint.port)


def test_only_runners_look_names_up(everything, pods):
    def outside(labels):
        return [entry["port"]
                for policy in by_name(everything, "NetworkPolicy").values()
                if selects(policy["spec"]["podSelector"], labels)
                for rule in policy["spec"].get("egress", ())
                for entry in rule["ports"]
                if "namespaceSelector" in rule["to"][0]]

    assert {name: set(outside(labels)) for name, labels in pods.items()} == {
        name: {53} if name.startswith("aura-") else set() for name in pods}


@pytest.mark.parametrize(
    "name, other", list(itertools.combinations(SOLUTIONS, 2)))
def test_two_solutions_agree_on_what_they_share(name, other):
    theirs = {(thing["kind"], thing["metadata"]["name"]): thing
              for thing in written(K8S / "solutions" / other)}
    shared = [thing for thing in written(K8S / "solutions" / name)
              if (thing["kind"], thing["metadata"]["name"]) in theirs]
    assert by_name(shared, "Deployment").keys() == (
        CALLED[name] & CALLED[other])
    for thing in shared:
        assert thing == theirs[thing["kind"], thing["metadata"]["name"]]


@for_each_solution
def test_kubectl_reads_the_files_as_these_tests_do(name):
    def sorted_out(things):
        return sorted((json.dumps(thing, sort_keys=True) for thing in things
                       if thing["kind"] != "ConfigMap"))

    folder = K8S / "solutions" / name
    assert sorted_out(rendered(folder)) == sorted_out(written(folder))


@for_each_solution
def test_old_clusters_ask_the_same_by_a_command(name):
    new = by_name(written(K8S / "solutions" / name), "Deployment")
    old = by_name(rendered(K8S / "clusters/local" / name), "Deployment")
    assert set(old) == set(new)
    for block, deployment in old.items():
        container, = pod_of(deployment)["spec"]["containers"]
        current, = pod_of(new[block])["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            service = current[probe]["grpc"].get("service")
            assert "grpc" not in container[probe]
            assert container[probe]["exec"]["command"] == [
                "python", "-m", "aura.rpc.health",
                *([service] if service else [])]


@pytest.fixture(params=SOLUTIONS)
def platform(request, tmp_path):
    """A solution as the platform hands it out: before and after."""
    main(["solution", "bundle", request.param, "--registry", "registry/aura",
          "--tag", "1.0", "--out", str(tmp_path)])
    shutil.copytree(K8S / "platform", tmp_path / "platform")
    files = sorted(str(path.relative_to(tmp_path))
                   for path in tmp_path.glob("deployments/*"))
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({
        "kind": "Kustomization", "resources": files,
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "components": ["platform"]}), "utf-8")
    return [read(tmp_path / path) for path in files], rendered(tmp_path)


def test_the_platforms_own_pods_are_hardened(platform):
    before, after = platform
    for name, thing in by_name(after, "Deployment").items():
        pod = pod_of(thing)
        broken = set((*restricted(pod), *hardened(pod), *probed(pod)))
        if name == ORCHESTRATOR:
            assert broken == {
                "runAsNonRoot", "numericUser", "fsGroup", "tmp",
                "readOnlyRootFilesystem", "startupProbe", "readinessProbe",
                "livenessProbe"}
        else:
            assert broken == set()
    assert any([*restricted(pod_of(thing))] for thing in before
               if pod_of(thing))


def test_a_hardened_download_is_still_wired_as_before(platform):
    before, after = (
        {(thing["kind"], thing["metadata"]["name"]): thing
         for thing in things} for things in platform)
    assert before.keys() == after.keys()
    for (kind, name), old in before.items():
        new = after[kind, name]
        if kind == "Deployment":
            assert new["metadata"] == old["metadata"]
            for key in ("name", "image", "ports", "env"):
                assert (pod_of(new)["spec"]["containers"][0][key]
                        == pod_of(old)["spec"]["containers"][0][key])
            for key, place in (("volumes", pod_of(new)["spec"]), (
                    "volumeMounts", pod_of(new)["spec"]["containers"][0])):
                had = (pod_of(old)["spec"] if key == "volumes" else
                       pod_of(old)["spec"]["containers"][0])[key]
                assert place[key][:len(had)] == had
        elif kind == "Service":
            assert new["spec"]["ports"] == old["spec"]["ports"]
            assert new["spec"]["selector"] == old["spec"]["selector"]
            assert new["spec"]["type"] == (
                "NodePort" if name == ORCHESTRATOR else "ClusterIP")
        else:
            assert new == old


def test_a_kubectl_without_components_is_told_apart():
    with pytest.raises(Skipped, match="v1.20.2 knows no components"):
        check_version("v1.20.2")
    check_version("v1.21.0")
    check_version("1.32.4-dispatcher")


@pytest.mark.k8s
@pytest.mark.parametrize("minor", range(OLDEST, NEWEST + 1))
def test_every_object_is_valid_for_every_version(minor, tmp_path):
    validate = os.environ.get("AURA_KUBERNETES_VALIDATE") or shutil.which(
        "kubernetes-validate")
    if validate is None:
        pytest.skip("there is no kubernetes-validate on this machine")
    kubectl()
    path = tmp_path / "all.yaml"
    different = {json.dumps(thing, sort_keys=True)
                 for folder in kustomizations() for thing in rendered(folder)}
    path.write_text("\n---\n".join(
        [*different, json.dumps(read(K8S / "namespace.yaml"))]), "utf-8")
    done = subprocess.run(
        [validate, "--strict", "-k", f"1.{minor}", str(path)], text=True,
        capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
