from pathlib import Path

import pytest

from omeflow.local import flags
from omeflow.local.cluster import ARGUMENTS

LAYOUT = flags.Layout(directory=Path("/c"), etcd_port=1001, etcd_peer_port=1002, api_port=1003)


def test_everything_listens_on_the_loopback_interface_only() -> None:
    for arguments in ARGUMENTS.values():
        for argument in arguments(LAYOUT):
            assert "0.0.0.0" not in argument
    assert "--bind-address=127.0.0.1" in flags.kube_apiserver(LAYOUT)
    assert "--listen-client-urls=http://127.0.0.1:1001" in flags.etcd(LAYOUT)
    assert "--secure-port=0" in flags.kube_controller_manager(LAYOUT)


@pytest.mark.parametrize("name", ["kube-controller-manager", "kube-scheduler", "kwok"])
def test_clients_of_the_api_server_use_the_kubeconfig(name: str) -> None:
    assert "--kubeconfig=/c/kubeconfig" in ARGUMENTS[name](LAYOUT)


def test_autoscaling_is_left_to_whoever_tests_it() -> None:
    controllers = next(each for each in flags.kube_controller_manager(LAYOUT) if each.startswith("--controllers="))
    assert "node-lifecycle-controller" in controllers
    assert "garbage-collector-controller" in controllers
    assert "horizontal" not in controllers


def test_requests_are_recorded_only_on_demand() -> None:
    assert not any("audit" in argument for argument in flags.kube_apiserver(LAYOUT))
    recorded = flags.Layout(directory=Path("/c"), etcd_port=1, etcd_peer_port=2, api_port=3, audit=True)
    arguments = flags.kube_apiserver(recorded)
    assert "--audit-log-path=/c/logs/audit.log" in arguments
    [megabytes] = [one.partition("=")[2] for one in arguments if one.startswith("--audit-log-maxsize=")]
    assert int(megabytes) >= 10_000, "one file: at 100 MB a new one would begin, and hide what came first"
