"""The store and Grafana, in manifests and in the Compose file."""

import json
import re

import pytest
import yaml
from manifests import K8S, ROOT, by_name, read, rendered, selects, written
from pod_rules import pod_of

from aura.settings import ABOUT

VIEW = K8S / "solutions/prediction-in-view"
COMPOSE = read(ROOT / "compose.yaml")
SERVICES = {name: service for name, service in COMPOSE["services"].items()
            if "view" in service.get("profiles", ())}
GRAFANA = ROOT / "grafana"
# Whom each new pod may call, and on which port.
CALLS = {("influx-exporter", "influxdb", 8086), ("grafana", "influxdb", 8086)}


@pytest.fixture(scope="module")
def things():
    return written(VIEW)


def only(things, kind, name):
    return by_name(things, kind)[name]


def container(things, name):
    found, = pod_of(only(things, "Deployment", name))["spec"]["containers"]
    return found


def environment(things, name):
    return {entry["name"]: entry
            for entry in container(things, name)["env"]}


def test_the_view_adds_a_store_and_grafana_to_the_solution(things):
    more = set(by_name(things, "Deployment")) - set(by_name(
        written(K8S / "solutions/prediction"), "Deployment"))
    assert more == {"influxdb", "grafana"} == set(SERVICES)


def reached(things, giver, direction):
    """Names and ports of the pods that the policies for one name."""
    labels = {"app.kubernetes.io/name": giver,
              "app.kubernetes.io/part-of": "aura"}
    peers = {"Ingress": "from", "Egress": "to"}[direction]
    found = set()
    for policy in by_name(things, "NetworkPolicy").values():
        if not selects(policy["spec"]["podSelector"], labels):
            continue
        for rule in policy["spec"].get(direction.lower(), ()):
            for peer in rule[peers]:
                for name in by_name(things, "Deployment"):
                    other = {**labels, "app.kubernetes.io/name": name}
                    if "podSelector" in peer and selects(
                            peer["podSelector"], other):
                        found |= {(name, one["port"])
                                  for one in rule["ports"]}
    return found


def test_only_the_exporter_and_grafana_reach_the_store(things):
    into = {(caller, name, port) for name in ("influxdb", "grafana")
            for caller, port in reached(things, name, "Ingress")}
    out = {(name, called, port) for name in by_name(things, "Deployment")
           for called, port in reached(things, name, "Egress")}
    assert into == out == CALLS


def test_secrets_are_named_and_never_written(things):
    assert not by_name(things, "Secret")
    named = {
        (name, key): entry["valueFrom"]["secretKeyRef"]
        for name in ("influxdb", "grafana")
        for key, entry in environment(things, name).items()
        if "valueFrom" in entry}
    assert {key: (ref["name"], ref["key"]) for key, ref in named.items()} == {
        ("influxdb", "DOCKER_INFLUXDB_INIT_PASSWORD"):
            ("aura-influxdb", "admin-password"),
        ("influxdb", "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"):
            ("aura-influxdb", "admin-token"),
        ("grafana", "GF_AURA_INFLUX_TOKEN"):
            ("aura-grafana", "influxdb-token"),
        ("grafana", "GF_SECURITY_ADMIN_PASSWORD"):
            ("aura-grafana", "admin-password")}
    for service in SERVICES.values():
        for key, value in service["environment"].items():
            if re.search("TOKEN|PASSWORD", key):
                assert key.endswith("_FILE")
                assert value.removeprefix("/run/secrets/") in (
                    service["secrets"])
    assert all("${AURA_SECRETS:-./secrets}/" in entry["file"]
               for entry in COMPOSE["secrets"].values())


def test_the_exporter_is_pointed_at_the_store():
    found = environment(rendered(VIEW), "influx-exporter")
    assert found["INFLUXDB_V2_URL"]["value"] == "http://influxdb:8086"
    assert found["INFLUXDB_V2_TOKEN"]["valueFrom"]["secretKeyRef"] == {
        "name": "aura-exporter", "key": "influxdb-token"}
    known = {about.env for about in ABOUT.values()}
    here = {name for name in found if name.startswith("INFLUXDB_V2_")}
    also = {name for name in COMPOSE["services"]["influx-exporter"][
        "environment"] if name.startswith("INFLUXDB_V2_")}
    assert here == also <= known


def test_without_a_word_the_five_blocks_write_files_only():
    found = COMPOSE["services"]["influx-exporter"]["environment"]
    assert found["INFLUXDB_V2_URL"] == "${INFLUXDB_V2_URL:-}"
    for name, service in COMPOSE["services"].items():
        if name not in SERVICES:
            assert not set(service.get("depends_on", ())) & set(SERVICES)
            assert not service.get("secrets")


def test_store_and_grafana_agree_on_names(things):
    for found, init in (
            (lambda name: {key: entry.get("value") for key, entry in
                           environment(things, name).items()}, "k8s"),
            (lambda name: SERVICES[name]["environment"], "compose")):
        store, view = found("influxdb"), found("grafana")
        for part in ("ORG", "BUCKET"):
            assert store[f"DOCKER_INFLUXDB_INIT_{part}"] == view[
                f"INFLUXDB_V2_{part}"], init
        # Without a retention InfluxDB keeps points for ever.
        assert not any("RETENTION" in name for name in store)
        assert view["INFLUXDB_V2_URL"] == "http://influxdb:8086"


def test_the_same_versions_run_everywhere(things):
    for name in SERVICES:
        image = container(things, name)["image"]
        assert image == SERVICES[name]["image"]
        assert re.search(r":\d+\.\d+\.\d+$", image)


def test_a_disk_has_one_server(things):
    claim = only(things, "PersistentVolumeClaim", "influxdb")
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    spec = only(things, "Deployment", "influxdb")["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    volume, = (one for one in spec["template"]["spec"]["volumes"]
               if "persistentVolumeClaim" in one)
    mount, = (one for one in container(things, "influxdb")["volumeMounts"]
              if one["name"] == volume["name"])
    assert mount["mountPath"] == SERVICES["influxdb"]["volumes"][
        0].rpartition(":")[2] == "/var/lib/influxdb2"


def test_grafana_gets_the_committed_files_where_it_looks():
    found = rendered(VIEW)
    spec = pod_of(only(found, "Deployment", "grafana"))["spec"]
    maps = by_name(found, "ConfigMap")
    folders = {
        mount["mountPath"]: maps[volume["configMap"]["name"]]["data"]
        for mount in spec["containers"][0]["volumeMounts"]
        for volume in spec["volumes"]
        if volume["name"] == mount["name"] and "configMap" in volume}
    dashboards = yaml.safe_load(folders["/etc/aura/provisioning/dashboards"][
        "aura.yaml"])["providers"][0]["options"]["path"]
    assert folders == {
        "/etc/aura/provisioning/datasources": files(
            "provisioning/datasources"),
        "/etc/aura/provisioning/dashboards": files("provisioning/dashboards"),
        dashboards: files("dashboards")}
    for data in folders.values():
        # kubectl apply writes them into an annotation too.
        assert len(json.dumps(data)) < 200_000
    base = environment(found, "grafana")["GF_PATHS_PROVISIONING"]["value"]
    assert base == SERVICES["grafana"]["environment"]["GF_PATHS_PROVISIONING"]
    assert SERVICES["grafana"]["volumes"] == [
        f"./grafana/provisioning:{base}:ro",
        f"./grafana/dashboards:{dashboards}:ro"]


def files(name):
    return {path.name: path.read_text("utf-8")
            for path in (GRAFANA / name).iterdir()}


def test_what_the_data_source_asks_for_is_set():
    text = (GRAFANA / "provisioning/datasources/influxdb.yaml").read_text(
        "utf-8")
    wanted = set(re.findall(r": \$([A-Z0-9_]+)$", text, re.M))
    assert wanted == {"INFLUXDB_V2_URL", "INFLUXDB_V2_ORG",
                      "INFLUXDB_V2_BUCKET", "GF_AURA_INFLUX_TOKEN"}
    assert wanted <= set(environment(written(VIEW), "grafana"))
    assert wanted <= {name.removesuffix("__FILE") for name in
                      SERVICES["grafana"]["environment"]}


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_confined_and_reachable_from_here_only(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert service["user"] == "${AURA_USER:-65532:65532}"
    assert service["mem_limit"] and service["healthcheck"]["test"]
    assert not service.keys() & {"privileged", "network_mode", "pid",
                                 "cap_add", "devices", "ipc"}
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize("where", ["k8s", "compose"])
def test_grafana_writes_below_tmp_and_calls_nobody_else(things, where):
    found = SERVICES["grafana"]["environment"] if where == "compose" else {
        name: entry.get("value")
        for name, entry in environment(things, "grafana").items()}
    # The image's start script makes the last folder of a path only.
    for name in ("DATA", "LOGS", "PLUGINS"):
        assert re.fullmatch("/tmp(/[a-z]+)?", found[f"GF_PATHS_{name}"])
    for name in ("ANALYTICS_REPORTING_ENABLED", "ANALYTICS_CHECK_FOR_UPDATES",
                 "ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
                 "SNAPSHOTS_EXTERNAL_ENABLED", "USERS_ALLOW_SIGN_UP"):
        assert found[f"GF_{name}"] == "false"
    for name in ("PLUGINS_PREINSTALL_DISABLED", "SECURITY_DISABLE_GRAVATAR"):
        assert found[f"GF_{name}"] == "true"
