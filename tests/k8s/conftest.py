"""A real cluster for the tests of this folder, where there is one."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

# With --import-mode=importlib a test cannot import what lies beside it.
sys.path.insert(0, str(Path(__file__).parent))

from manifests import K8S, ROOT, kubectl  # noqa: E402
from patience import LONGEST_S, until  # noqa: E402


class Cluster:
    """A local cluster, driven by a command (AURA_CLUSTER)."""

    def __init__(self, tool):
        self.tool = tool
        self.kubectl = kubectl()
        self.config = self("env").partition("KUBECONFIG=")[2]
        self.environ = {**os.environ, "KUBECONFIG": self.config,
                        "NO_PROXY": "10.201.0.2", "no_proxy": "10.201.0.2"}

    def __call__(self, *arguments):
        """Output of a command of the cluster's own tool."""
        return output([self.tool, *arguments])

    def kube(self, *arguments):
        """Output of kubectl."""
        return output([self.kubectl, *arguments], self.environ)

    def get(self, *arguments):
        """Objects of the cluster."""
        return json.loads(self.kube("get", "-o", "json", *arguments))

    def signal(self, pod, name):
        """Send a signal to a pod's first process, from outside of it."""
        status, = pod["status"]["containerStatuses"]
        sock = Path(self.config).parent / "containerd/sock"
        self("exec", "ctr", "-a", str(sock), "-n", "k8s.io", "tasks", "kill",
             "-s", name, status["containerID"].removeprefix("containerd://"))


class Site:
    """A namespace of its own with a shared folder of its own."""

    def __init__(self, cluster, name, claim):
        self.cluster, self.name = cluster, name
        cluster("pv", name, "1Gi")
        self.shared = Path(cluster.get("pv", name)["spec"]["hostPath"]["path"])
        cluster.kube("create", "namespace", name)
        cluster.kube("patch", "pv", name, "-p", json.dumps({"spec": {
            "claimRef": {"namespace": name, "name": claim}}}))

    def apply(self, solution, folder=None):
        """Start a solution, again if need be."""
        self.cluster.kube("-n", self.name, "delete", "job",
                          f"aura-{solution}", "--ignore-not-found")
        self.cluster.kube("-n", self.name, "apply", "-k",
                          str(folder or K8S / "clusters/local" / solution))

    def wait(self, solution):
        """Wait for the end of a run; what the runner wrote."""
        def ends():
            return [condition["type"] for condition in self.cluster.get(
                "-n", self.name, "job", f"aura-{solution}")["status"].get(
                    "conditions", ()) if condition["status"] == "True"]

        until(ends, 1, lambda: self.cluster.kube(
            "-n", self.name, "describe", "pods"))
        log = self.cluster.kube(
            "-n", self.name, "logs", f"job/aura-{solution}")
        assert ends() == ["Complete"], log
        return log

    def pods(self, block):
        """The pods of a block, once all of them are ready."""
        self.cluster.kube("-n", self.name, "rollout", "status",
                          f"deployment/{block}", f"--timeout={LONGEST_S}s")
        return self.cluster.get(
            "-n", self.name, "pods", "-l",
            f"app.kubernetes.io/name={block}")["items"]

    def log(self, pod, *options):
        """What a pod has written."""
        return self.cluster.kube(
            "-n", self.name, "logs", pod["metadata"]["name"], *options)

    def restarts(self, pod):
        """How often a pod's container was started anew."""
        status, = self.cluster.get(
            "-n", self.name, "pod", pod["metadata"]["name"])["status"][
                "containerStatuses"]
        return status["restartCount"]

    def close(self):
        self.cluster.kube("delete", "namespace", self.name)
        self.cluster.kube("delete", "pv", self.name)
        shutil.rmtree(self.shared)


def output(command, environ=None):
    """Standard output of a command that has to succeed."""
    done = subprocess.run(
        command, env=environ, text=True, capture_output=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="session")
def cluster():
    """The cluster with our images; taken down where it was not up before."""
    from blocks import images
    tool = Path(os.environ.get(
        "AURA_CLUSTER", ROOT / "../shared/tools/cluster/cluster"))
    if not tool.is_file():
        pytest.skip(f"no local cluster at {tool}; set AURA_CLUSTER")
    kubectl()
    was_up = subprocess.run(
        [tool, "status"], capture_output=True).returncode == 0
    up = subprocess.run([tool, "up"], text=True, capture_output=True)
    if up.returncode:
        pytest.skip(f"the local cluster does not start: {up.stderr[-300:]}")
    try:
        assert images.main([]) == 0
        found = Cluster(str(tool))
        found("load", *(f"aura/{block.name}:dev" for block in images.BLOCKS))
        yield found
    finally:
        if not was_up:
            output([tool, "down"])


@pytest.fixture
def site(cluster, request):
    """A place to deploy to, empty; a test may name its claim otherwise."""
    found = Site(cluster, f"aura-test-{os.getpid()}-{time.time_ns()}",
                 getattr(request, "param", "aura-shared"))
    yield found
    found.close()
