"""Which services the edit of a policy concerns: those that follow it, and nobody else."""

from typing import Any, cast

import pytest

from omeflow.api.errors import PolicyNotFound
from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.names import ROLLOUT_POLICY
from omeflow.api.policies import BUILT_IN
from omeflow.kube.cache import ListWatch
from omeflow.kube.client import Cluster
from workers.watching.policies import Policies
from workers.watching.queue import Service

UNUSED = cast(Cluster, None)


def service(name: str, namespace: str = "serving", policy: str | None = None) -> dict[str, Any]:
    annotations = {ROLLOUT_POLICY: policy} if policy else {}
    return {"metadata": {"name": name, "namespace": namespace, "uid": name, "annotations": annotations}}


def policy(name: str, *, uid: str = "p1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "serving", "uid": uid}, "spec": spec}


class Known:
    """The caches of services and of policies, without a server."""

    def __init__(self, *services: dict[str, Any]) -> None:
        self.concerned: list[Service] = []
        self._services = ListWatch(UNUSED, INFERENCE_SERVICE)
        self.policies = Policies(UNUSED, self._services, concerns=self.concerned.append)
        for each in services:
            self._services._store.put(each)

    def stores(self, manifest: dict[str, Any]) -> list[str]:
        """Names of the services that are concerned when the policy is there as given."""
        return self._told(self.policies.cache._store.put(manifest))

    def loses(self, name: str) -> list[str]:
        return self._told(self.policies.cache._store.remove(("serving", name)))

    def _told(self, changes: list[Any]) -> list[str]:
        self.concerned.clear()
        for change in changes:
            self.policies._changed(change)
        return sorted({each.name for each in self.concerned})


@pytest.fixture
def known() -> Known:
    return Known(
        service("plain"),
        service("named", policy="careful"),
        service("elsewhere", "other"),
        service("also", policy="fast"),
    )


def test_a_policy_concerns_who_follows_it(known: Known) -> None:
    assert known.stores(policy("default")) == ["plain"]
    assert known.stores(policy("careful")) == ["named"]
    assert known.stores(policy("unused")) == []


def test_an_edit_and_a_deletion_concern_them_and_a_status_does_not(known: Known) -> None:
    known.stores(policy("careful"))
    assert known.stores(policy("careful") | {"status": {"conditions": []}}) == []
    assert known.stores(policy("careful", deadline="2h")) == ["named"]
    assert known.stores(policy("careful", uid="p2", deadline="2h")) == ["named"]
    assert known.loses("careful") == ["named"]


def test_what_is_in_force_is_what_the_cache_has(known: Known) -> None:
    assert known.policies.in_force(service("plain")) is BUILT_IN
    with pytest.raises(PolicyNotFound, match="RolloutPolicy careful"):
        known.policies.in_force(service("named", policy="careful"))
    known.stores(policy("careful", deadline="2h"))
    assert known.policies.in_force(service("named", policy="careful")).spec.deadline == 7200
