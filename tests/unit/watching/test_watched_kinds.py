"""What the watcher watches: whatever a service's objects are of, for it must know what the cluster lacks of that."""

from typing import Any, cast

import pytest

from omeflow.api import kinds
from omeflow.api.kinds import Kind
from omeflow.api.rollouts import InferenceRollout, Spec
from omeflow.kube.client import Cluster
from strategies.manager import default_manager
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component.strategy import SingleComponentStrategy
from workers.watching import keeping
from workers.watching.world import World

READ_ELSEWHERE = {
    kinds.INFERENCE_ROLLOUT,
    kinds.ROLLOUT_POLICY,
    kinds.ROLE_BASED_GROUP_WARMUP,  # a stage goes on without where it is not served
}
OPTIONAL = [kind for kind in kinds.ALL if not kind.built_in and kind.group != "ome.io" and kind not in READ_ELSEWHERE]


@pytest.fixture(scope="module")
def world() -> World:
    return World(cast(Cluster, None), default_manager(), concerns=lambda service: None)


@pytest.mark.parametrize("kind", OPTIONAL, ids=lambda kind: f"{kind.group}-{kind}")
def test_every_kind_that_a_cluster_may_lack_is_watched(world: World, kind: Kind) -> None:
    assert kind in world.kinds()


def test_a_strategy_that_placed_the_roles_stays_until_another_has_planned(world: World) -> None:
    manifest: dict[str, Any] = {"metadata": {"name": "chat", "annotations": {}}}
    placed, refused = (InferenceRollout(spec=Spec(number=number)) for number in (1, 2))
    placed.spec.strategy, placed.spec.plan = "RBG", "planned"
    assert isinstance(world.strategy(manifest, []), SingleComponentStrategy)
    assert isinstance(world.strategy(manifest, [placed, refused]), RBGStrategy)
    placed.spec.strategy = "Uninstalled"
    assert isinstance(world.strategy(manifest, [placed]), SingleComponentStrategy)


def test_of_a_strangers_ingress_nothing_is_kept_but_that_it_is_there() -> None:
    metadata = {"name": "i", "namespace": "n", "uid": "u", "managedFields": [], "labels": {"a": "b"}}
    stranger = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"rules": []}}
    assert "spec" not in keeping.with_fields_if_owned(stranger)
    owner = {"kind": "InferenceService", "name": "chat"}
    ours = {**stranger, "metadata": {**metadata, "ownerReferences": [owner]}}
    assert keeping.with_fields_if_owned(ours) == ours
    assert keeping.owning_service(ours) == "chat"
