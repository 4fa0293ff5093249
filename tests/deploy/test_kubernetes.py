"""The manifests: valid by Kubernetes' own schemas, as restricted as it allows, and of one piece."""

from __future__ import annotations

import shlex

import pytest
import yaml

from mmrag.service.health import OPEN_PATHS
from tests.deploy.conftest import DEPLOY, USER, VERSION, check_command, check_setting

FOLDER = DEPLOY / "kubernetes"
FOLDERS = sorted(path.parent.name for path in FOLDER.glob("*/kustomization.yaml"))
IMAGES = {"mmrag-engine": ["mmrag"], "mmrag-bots": ["python", "-m", "bots"]}


def documents(folder):
    """What the files of a folder say, before Kustomize has its hand in it."""
    names = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text())["resources"]
    files = [FOLDER / folder / name for name in names if name.endswith(".yaml")]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


ALL = [document for folder in FOLDERS for document in documents(folder)]


def template_of(document):
    spec = document["spec"]
    return spec["jobTemplate"]["spec"]["template"] if document["kind"] == "CronJob" else spec["template"]


WORKLOADS = [document for document in ALL if document["kind"] in {"Deployment", "CronJob"}]
PODS = [(document["metadata"]["name"], template_of(document)["spec"]) for document in WORKLOADS]
CONTAINERS = [
    (name, container)
    for name, pod in PODS
    for container in [*pod.get("initContainers", []), *pod["containers"]]
]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_kustomize_makes_is_valid_by_kubernetes_schemas(folder, tool):
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs the extra dev")
    made = [each for each in yaml.safe_load_all(tool("kubectl", "kustomize", FOLDER / folder)) if each]
    for document in made:
        kubernetes_validate.validate(document, "1.30", strict=True)
        assert document["metadata"].get("namespace", "mmrag") == "mmrag"
    images = {
        container["image"]
        for document in made
        if document["kind"] in {"Deployment", "CronJob"}
        for container in [
            *template_of(document)["spec"].get("initContainers", []),
            *template_of(document)["spec"]["containers"],
        ]
    }
    assert {image.rpartition(":")[2] for image in images} <= {VERSION, f"{VERSION}-gpu"}
    if folder == "gpu":
        (engine,) = [document for document in made if document["kind"] == "Deployment"]
        assert (
            engine["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
            == "1"
        )


@pytest.mark.parametrize("document", ALL, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_each_manifest_is_valid_by_kubernetes_schemas(document):
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs the extra dev")
    kubernetes_validate.validate(document, "1.30", strict=True)


def test_pods_are_as_restricted_as_the_strictest_standard_asks():
    for _, pod in PODS:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # MMRAG_ENGINE_PORT would be taken for a setting
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == USER
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for _, container in CONTAINERS:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"]


def test_the_commands_are_the_projects_own():
    checked = 0
    for _, container in CONTAINERS:
        if "args" in container:
            check_command([*IMAGES[container["image"]], *container["args"]])
            checked += 1
        else:
            shell, option, script = container["command"]
            assert (shell, option) == ("sh", "-c")
            for part in script.replace("until ", "").replace("$(date -u +%Y%m%d-%H%M%S)", "now").split("&&"):
                words = shlex.split(part.split("|")[0])
                if words[0] == "mmrag":
                    check_command(words)
                    checked += 1
    assert checked == len(CONTAINERS)


def test_the_settings_exist():
    for _, container in CONTAINERS:
        for variable in container["env"]:
            check_setting(variable["name"], variable["value"])


def test_probes_ask_for_paths_and_ports_that_the_service_has():
    probes = [
        (container, container[kind])
        for _, container in CONTAINERS
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
        if kind in container
    ]
    asked = {probe["httpGet"]["path"] for _, probe in probes if "httpGet" in probe}
    assert asked == set(OPEN_PATHS)
    for container, probe in probes:
        if "httpGet" in probe:
            (port,) = container["ports"]
            assert probe["httpGet"]["port"] == port["name"]
            assert {"name": "MMRAG_SERVE_PORT", "value": str(port["containerPort"])} in container["env"]
        else:
            assert probe["exec"]["command"] == ["mmrag-health", "bot"]


def test_what_refers_to_something_finds_it():
    names = {(document["kind"], document["metadata"]["name"]) for document in ALL}
    for document in WORKLOADS:
        template, pod = template_of(document), template_of(document)["spec"]
        labels = template["metadata"]["labels"]
        if document["kind"] == "Deployment":
            assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert document["spec"]["strategy"] == {"type": "Recreate"}  # two would share a SQLite file
            assert ("ServiceAccount", pod["serviceAccountName"]) in names
        declared = {volume["name"] for volume in pod["volumes"]}
        for volume in pod["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert mounts.keys() == declared
            assert {"name": "MMRAG_HOME", "value": mounts["data"]} in container["env"]
    (service,) = [document for document in ALL if document["kind"] == "Service"]
    engine = next(each for each in WORKLOADS if each["metadata"]["name"] == "mmrag-engine")
    assert service["spec"]["selector"].items() <= template_of(engine)["metadata"]["labels"].items()
    for name, pod in PODS:
        for container in pod["containers"]:
            if "--engine" in container.get("args", ()):
                port = service["spec"]["ports"][0]["port"]
                assert container["args"][-1] == f"http://{service['metadata']['name']}:{port}", name


def test_nobody_is_reached_who_is_not_named():
    policies = {each["metadata"]["name"]: each["spec"] for each in ALL if each["kind"] == "NetworkPolicy"}
    assert policies["mmrag-nothing-else"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert "egress" not in policies["mmrag-engine"]  # it calls nobody
    assert "ingress" not in policies["mmrag-bots"]
    labels = [template_of(document)["metadata"]["labels"] for document in WORKLOADS]
    for policy in ("mmrag-engine", "mmrag-bots"):
        wanted = policies[policy]["podSelector"]["matchLabels"].items()
        assert any(wanted <= each.items() for each in labels), policy
