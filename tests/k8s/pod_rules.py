"""
What a pod of ours has to be: the restricted Pod Security Standard, and what
the NSA's and CIS's guides add to it. Written from those texts.
"""

PSS_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral",
               "persistentVolumeClaim", "projected", "secret"}
FIRST_FREE_USER = 10000


def pod_of(thing):
    """The pod template of a workload, a pod, or None."""
    if thing["kind"] in ("Deployment", "Job"):
        return thing["spec"]["template"]
    return thing if thing["kind"] == "Pod" else None


def restricted(pod):
    """Yield the rules of the restricted Pod Security Standard it breaks."""
    spec = pod["spec"]
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes", ()):
        if not volume.keys() - {"name"} <= PSS_VOLUMES:
            yield "volume"
    everyone = spec.get("securityContext", {})
    for container in containers(spec):
        own = container.get("securityContext", {})
        both = {**everyone, **own}
        if own.get("privileged"):
            yield "privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation"
        if both.get("runAsNonRoot") is not True:
            yield "runAsNonRoot"
        if both.get("runAsUser") == 0:
            yield "runAsUser"
        if both.get("seccompProfile", {}).get("type") not in (
                "RuntimeDefault", "Localhost"):
            yield "seccompProfile"
        capabilities = own.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"]:
            yield "drop"
        if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
            yield "add"
        if own.get("procMount", "Default") != "Default":
            yield "procMount"
        for port in container.get("ports", ()):
            if port.get("hostPort"):
                yield "hostPort"
    if everyone.get("sysctls"):
        yield "sysctls"


def hardened(pod):
    """Yield what the NSA's and CIS's guides would say."""
    spec = pod["spec"]
    if spec.get("automountServiceAccountToken") is not False:
        yield "token"
    everyone = spec.get("securityContext", {})
    # A kubelet cannot check a name, nor what an image may change.
    if everyone.get("runAsUser", 0) < FIRST_FREE_USER:
        yield "numericUser"
    if not everyone.get("fsGroup"):
        yield "fsGroup"
    for volume in spec.get("volumes", ()):
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield "sizeLimit"
    for container in containers(spec):
        own = container.get("securityContext", {})
        if own.get("readOnlyRootFilesystem") is not True:
            yield "readOnlyRootFilesystem"
        for kind in ("requests", "limits"):
            if set(container.get("resources", {}).get(kind, ())) < {
                    "cpu", "memory"}:
                yield kind
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest"):
            yield "tag"
        if not any(mount["mountPath"] == "/tmp"
                   for mount in container.get("volumeMounts", ())):
            yield "tmp"
        for entry in container.get("env", ()):
            if any(word in entry["name"].upper() for word in (
                    "TOKEN", "PASSWORD", "SECRET")) and "value" in entry:
                yield "secretInEnv"


def probed(pod):
    """Yield the probes that a pod that serves lacks."""
    for container in pod["spec"]["containers"]:
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if name not in container:
                yield name


def containers(spec):
    """All containers of a pod."""
    return [*spec["containers"], *spec.get("initContainers", ())]
