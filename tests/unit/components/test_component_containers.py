"""The containers of a component: runner, variables, resources, probes and defaults (ome.md 8.4 to 8.12)."""

import pytest
from component_samples import MODEL, PLAIN, Json, build, engine, main, runtime, service

from omeflow.components.environment import with_default, with_variable
from omeflow.components.runners import gpu_count

LEGACY = {"name": "ome-container", "resources": {"limits": {"nvidia.com/gpu": 4, "cpu": "8"}, "requests": {"cpu": "4"}}}


@pytest.mark.parametrize(
    ("runner", "resources"),
    [
        (None, {"limits": {"nvidia.com/gpu": "2", "cpu": "8"}, "requests": {"nvidia.com/gpu": "2", "cpu": "4"}}),
        (
            {"resources": {}},
            {"limits": {"nvidia.com/gpu": "2", "cpu": "8"}, "requests": {"nvidia.com/gpu": "2", "cpu": "4"}},
        ),
        (
            {"resources": {"limits": {"memory": "1Gi"}}},
            {"limits": {"nvidia.com/gpu": "2", "memory": "1Gi"}, "requests": {"nvidia.com/gpu": "2"}},
        ),
    ],
)
def test_legacy_resources_fill_in_unless_the_service_states_its_own(runner: Json | None, resources: Json) -> None:
    given = service(engine={"runner": runner} if runner else {})
    assert main(engine(given, MODEL, runtime(containers=[LEGACY])).pod_spec)["resources"] == resources


@pytest.mark.parametrize(
    ("resources", "gpus"),
    [
        ({}, 0),
        ({"limits": {"cpu": "1"}}, 0),
        ({"limits": {"nvidia.com/gpu": "4"}}, 4),
        ({"requests": {"nvidia.com/gpu": "8"}}, 8),
        ({"limits": {"nvidia.com/gpu": "4"}, "requests": {"nvidia.com/gpu": "8"}}, 4),
    ],
)
def test_gpus_are_counted_by_limit_then_request(resources: Json, gpus: int) -> None:
    assert gpu_count({"resources": resources}) == gpus


def test_a_variable_is_set_in_place_of_a_reference() -> None:
    env: list[Json] = [{"name": "A", "valueFrom": {"fieldRef": {}}}, {"name": "B", "value": "1"}]
    assert with_variable(env, "A", "2") == [{"name": "A", "value": "2"}, {"name": "B", "value": "1"}]
    assert with_variable(env, "C", "") == [*env, {"name": "C"}]


def test_a_default_never_changes_a_variable() -> None:
    env: list[Json] = [{"name": "A", "valueFrom": {"fieldRef": {}}}]
    assert with_default(env, "A", "2") == env
    assert with_default(env, "B", "2") == [*env, {"name": "B", "value": "2"}]


@pytest.mark.parametrize(
    ("role", "part", "size"),
    [
        ("engine", {"leader": {"runner": {}}}, "6"),
        ("engine", {"containers": [PLAIN]}, "6"),
        ("decoder", {"leader": {"runner": {}}}, "6"),
        ("decoder", {"runner": {}}, "6"),
        ("decoder", {"containers": [PLAIN]}, "4"),
    ],
)
def test_parallelism_counts_the_pods_that_serve(role: str, part: Json, size: str) -> None:
    runner = {"name": "ome-container", "resources": {"limits": {"nvidia.com/gpu": 2}}}
    filled = {
        name: runner if name == "runner" else {"runner": runner} if name == "leader" else value
        for name, value in part.items()
    }
    component = filled | {"worker": {"size": 2, "runner": runner}}
    spec = {"engine": {"containers": [PLAIN]}, role: component}
    config = build(service(**spec), MODEL, runtime(engineConfig=None)).configs[role]
    assert config.worker_pod_spec is not None
    assert {"name": "PARALLELISM_SIZE", "value": size} in main(config.worker_pod_spec)["env"]
    assert config.worker_size == 2


def test_plain_containers_get_no_model_but_the_pod_does() -> None:
    pod = engine(service(engine={"containers": [PLAIN]}), MODEL, runtime(engineConfig=None)).pod_spec
    assert pod["containers"] == [
        PLAIN
        | {
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }
    ]
    assert pod["volumes"] == [{"name": "llama-3-8b", "hostPath": {"path": "/raid/models/llama-3-8b"}}]


def test_a_runner_joins_the_container_of_its_name_where_it_stands() -> None:
    containers = [
        {"name": "ome-container", "image": "old", "args": ["--a"], "env": [{"name": "X", "value": "1"}]},
        {"name": "sidecar", "image": "s"},
    ]
    runner = {"name": "ome-container", "image": "new", "args": ["--b"]}
    pod = engine(
        service(engine={"containers": containers, "runner": runner}), MODEL, runtime(engineConfig=None)
    ).pod_spec
    assert [container["name"] for container in pod["containers"]] == ["ome-container", "sidecar"]
    assert main(pod)["image"] == "new"
    assert main(pod)["args"] == ["--a", "--b"]
    assert [entry["name"] for entry in main(pod)["env"]] == ["MODEL_PATH", "X"]


def test_a_runner_without_container_goes_last() -> None:
    pod = engine(service(engine={"containers": [{"name": "sidecar", "image": "s"}]})).pod_spec
    assert [container["name"] for container in pod["containers"]] == ["sidecar", "ome-container"]


def test_defaults_fill_only_what_is_open() -> None:
    given = service(engine={"dnsPolicy": "Default", "terminationGracePeriodSeconds": 0, "restartPolicy": "Never"})
    pod = engine(given).pod_spec
    assert (pod["dnsPolicy"], pod["terminationGracePeriodSeconds"], pod["restartPolicy"]) == ("Default", 0, "Never")
    assert (pod["schedulerName"], pod["securityContext"]) == ("default-scheduler", {})


@pytest.mark.parametrize(
    ("runner", "probe"),
    [
        ({"name": "ome-container"}, {"tcpSocket": {"port": 8080}}),
        (
            {"name": "ome-container", "ports": [{"containerPort": 9000}, {"containerPort": 80}]},
            {"tcpSocket": {"port": 9000}},
        ),
        ({"name": "other"}, None),
        ({"name": "ome-container", "readinessProbe": {"exec": {"command": ["x"]}}}, {"exec": {"command": ["x"]}}),
    ],
)
def test_only_ome_container_gets_a_probe_if_it_has_none(runner: Json, probe: Json | None) -> None:
    pod = engine(service(engine={"runner": runner}), MODEL, runtime(engineConfig=None)).pod_spec
    given = pod["containers"][0].get("readinessProbe")
    times = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    assert given == (probe | times if probe and "tcpSocket" in probe else probe)


def test_groups_of_pods_get_defaults_but_no_probe_and_are_written_as_go_does() -> None:
    part = {"runner": {"name": "ome-container"}, "initContainers": [PLAIN]}
    config = engine(service(engine={"leader": part, "worker": part | {"size": 1}}))
    assert config.worker_pod_spec is not None
    for pod in (config.pod_spec, config.worker_pod_spec):
        assert "readinessProbe" not in main(pod)
        assert main(pod)["resources"] == {}
        assert pod["schedulerName"] == "default-scheduler"
        assert pod["initContainers"] == [PLAIN | {"resources": {}}]


@pytest.mark.parametrize(
    ("engine_spec", "container"),
    [
        ({}, "ome-container"),
        ({"containers": [PLAIN]}, "ome-container"),
        ({"containers": [PLAIN], "annotations": {"ome.io/deploymentMode": "Serverless"}}, "ome-container"),
    ],
)
def test_the_serving_container_is_named_wherever_it_stands(engine_spec: Json, container: str) -> None:
    assert engine(service(engine=engine_spec)).container == container


def test_without_a_runner_the_first_container_serves() -> None:
    given = service(engine={"containers": [PLAIN, {"name": "other"}]})
    assert engine(given, MODEL, runtime(engineConfig=None)).container == "main"
