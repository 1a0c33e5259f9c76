"""The container and the cluster's settings: they fit the command and each other."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from voxlab.cli import _parser
from voxlab.serving.workers import Limits

OPERATIONS = Path(__file__).parents[1] / "docs" / "operations"


def resources():
    text = (OPERATIONS / "kubernetes.yaml").read_text("utf-8")
    return {
        (each["kind"], each["metadata"]["name"]): each for each in YAML(typ="safe").load_all(text)
    }


def pod(name):
    return resources()["Deployment", name]["spec"]["template"]["spec"]


def options(name):
    """Return what the command makes of a container's arguments."""
    (container,) = pod(name)["containers"]
    return _parser().parse_args(["serve", "worker", *container["args"]])


def test_kubernetes_has_the_fields_that_the_manifest_names():
    validate = pytest.importorskip("kubernetes_validate")
    for resource in resources().values():
        validate.validate(resource, "1.34", strict=True)


def test_the_check_of_the_manifest_finds_a_misspelt_field():
    validate = pytest.importorskip("kubernetes_validate")
    resource = json.loads(json.dumps(resources()["Deployment", "voxlab-worker"]))
    resource["spec"]["template"]["spec"]["terminationGracePeriod"] = 660
    with pytest.raises(validate.ValidationError):
        validate.validate(resource, "1.34", strict=True)


def test_a_worker_is_not_killed_before_it_has_drained_and_said_goodbye():
    (container,) = pod("voxlab-worker")["containers"]
    waits_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed_s = waits_s + options("voxlab-worker").drain_limit + Limits().goodbye_s
    assert needed_s < pod("voxlab-worker")["terminationGracePeriodSeconds"]
    probe = container["readinessProbe"]
    assert waits_s > probe["periodSeconds"] * probe["failureThreshold"]


def test_the_probes_ask_for_life_where_the_process_listens_and_for_room_only_of_workers():
    for name, ready in (("voxlab-worker", "/readyz"), ("voxlab-front", "/healthz")):
        (container,) = pod(name)["containers"]
        port = options(name).port
        assert container["readinessProbe"]["httpGet"] == {"path": ready, "port": port}
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port}
        assert container["ports"] == [{"containerPort": port}]


def test_workers_join_the_service_that_stands_before_the_front():
    (port,) = resources()["Service", "voxlab-front"]["spec"]["ports"]
    assert options("voxlab-worker").join == f"http://voxlab-front:{port['port']}"
    assert port["targetPort"] == options("voxlab-front").port
    assert options("voxlab-front").processes == 0


def test_no_shell_stands_between_a_signal_and_the_worker():
    text = (OPERATIONS / "Dockerfile").read_text("utf-8")
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", text, re.M)
    assert json.loads(entry) == ["voxlab", "serve", "worker"]
