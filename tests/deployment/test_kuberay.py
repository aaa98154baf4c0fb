"""The manifests for KubeRay, against Ray's rules for them and against the gateway itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from gateway.cli import app
from gateway.settings import Settings, load_settings
from gateway.version import VERSION
from tests.deployment.files import DEPLOYMENT, REPOSITORY

FOLDER = DEPLOYMENT / "kuberay"
OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()
# What the fields of a running pod say.
FIELDS = {"status.podIP": "10.244.1.7", "status.hostIP": "10.1.2.3"}
# Of `ray.io/v1`, as far as it is used here.
CLUSTER = {"rayVersion", "gcsFaultToleranceOptions", "headGroupSpec", "workerGroupSpecs"}
HEAD = {"serviceType", "rayStartParams", "template"}
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def documents() -> list[dict[str, Any]]:
    files = sorted(FOLDER.glob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text())]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in documents() if one["kind"] == kind}


def ray_cluster() -> dict[str, Any]:
    (made,) = of_kind("RayCluster").values()
    return made


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each pod's specification by what it is for."""
    spec = ray_cluster()["spec"]
    yield "head", spec["headGroupSpec"]["template"]["spec"]
    for group in spec["workerGroupSpecs"]:
        yield group["groupName"], group["template"]["spec"]
    for name, one in of_kind("StatefulSet").items():
        yield name, one["spec"]["template"]["spec"]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def told(container: dict[str, Any], group: str) -> dict[str, str]:
    """A container's environment as it is in that group's pod."""
    fields = FIELDS | {"metadata.labels['ray.io/group']": group}

    def value(one: dict[str, Any]) -> str:
        said: str = one.get("value", "")
        return said or fields[one["valueFrom"]["fieldRef"]["fieldPath"]]

    return {one["name"]: value(one) for one in container.get("env", [])}


def settings_of(container: dict[str, Any], group: str, folder: Path) -> Settings:
    """What the gateway makes of them. Raises SettingsError for a name that it does not know."""
    environment = told(container, group)
    file = None
    if environment.pop("GRIDSIGHT_CONFIG", None):
        file = folder / "gridsight.toml"
        file.write_text(of_kind("ConfigMap")["gridsight-settings"]["data"][file.name])
    return load_settings(file=file, environment=environment).settings


def test_the_cluster_is_of_the_specification() -> None:
    cluster = ray_cluster()
    assert cluster["apiVersion"] == "ray.io/v1"
    # Or KubeRay would start Ray in its own way, without the gateway's token and health checks.
    assert cluster["metadata"]["annotations"] == {"ray.io/overwrite-container-cmd": "true"}
    assert cluster["spec"].keys() == CLUSTER
    assert cluster["spec"]["headGroupSpec"].keys() == HEAD
    names = []
    for group in cluster["spec"]["workerGroupSpecs"]:
        assert group.keys() == GROUP
        assert group["replicas"] == group["minReplicas"] == group["maxReplicas"] == 1
        names.append(group["groupName"])
    assert len(set(names)) == len(names) == 3
    lock = (REPOSITORY / "requirements-ray.lock").read_text()
    assert f"ray=={cluster['spec']['rayVersion']} " in lock


def test_what_its_containers_run_is_understood() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    name = ray_cluster()["metadata"]["name"]
    redis = ray_cluster()["spec"]["gcsFaultToleranceOptions"]["redisAddress"]
    said = {}
    for place, pod in pods():
        for one in pod["containers"]:
            if one.get("command") == ["gridsight"]:
                command, *arguments = one["args"]
                # Raises UsageError for an option that is not there.
                context = commands[command].make_context(command, list(arguments))
                said[place, command] = context.params
    head = said["head", "ray"]
    assert (head["head_port"], head["head_only"], head["state"]) == (6379, True, redis)
    assert redis.partition(":")[0] in of_kind("Service")
    for group in ("node-a", "node-b", "node-c"):
        # The service that KubeRay makes for the head.
        assert said[group, "ray"]["join"] == f"{name}-head-svc:6379"
        assert said[group, "serve"]["cluster"] == f"{name}-head-svc:6379"


def test_each_machine_is_where_its_name_is_and_has_its_address(tmp_path: Path) -> None:
    for group, pod in pods():
        for one in pod["containers"]:
            if "env" not in one:
                continue
            cluster = settings_of(one, group, tmp_path).cluster
            assert cluster.node_name == group
            if group == "head":
                assert cluster.reached_at == FIELDS["status.podIP"]
                continue
            assert cluster.reached_at == FIELDS["status.hostIP"]
            assert pod["hostNetwork"] is True
            assert pod["nodeSelector"] == {"gridsight/node": group}
            assert f"gridsight/node={group}" in OPERATIONS


def test_what_is_mounted_is_there_and_what_is_named_is_explained() -> None:
    for place, pod in pods():
        volumes = {one["name"]: one for one in pod.get("volumes", [])}
        kept = of_kind("StatefulSet").get(place, {"spec": {"volumeClaimTemplates": []}})
        claimed = {one["metadata"]["name"] for one in kept["spec"]["volumeClaimTemplates"]}
        for one in containers(pod):
            for mount in one["volumeMounts"]:
                assert mount["name"] in volumes.keys() | claimed, (place, one["name"])
            for source in one.get("envFrom", []):
                assert source["secretRef"]["name"] in OPERATIONS
        for one in volumes.values():
            if "configMap" in one:
                assert one["configMap"]["name"] in of_kind("ConfigMap")
            if "secret" in one:
                assert one["secret"]["secretName"] in OPERATIONS
            if "hostPath" in one:
                assert one["hostPath"]["path"] in OPERATIONS


@pytest.mark.parametrize("place", ["head", "node-a", "node-b", "node-c", "gridsight-redis"])
def test_nothing_runs_with_more_than_it_needs(place: str) -> None:
    pod = dict(pods())[place]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for one in containers(pod):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert one["resources"]["limits"]["memory"]
        assert one["image"].rpartition(":")[2] not in ("", "latest")
        if place != "gridsight-redis":
            assert one["image"] == f"gridsight:{VERSION}-ray"
