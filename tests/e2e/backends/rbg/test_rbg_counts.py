"""Who holds a role's count, and what happens to it (design rules 1 and 3, rbg.md 4)."""

from pods_seen import eventually
from rbg_group import Group, attempt, leader_worker, owners_of_count, scaled, standalone, without_count

from omeflow.api import kinds, names
from omeflow.kube.request import Object

NEW = "registry.test/model:2"
ADAPTER_OWNS = {("rolebasedgroupscalingadapter", "Update")}


async def seed(group: Group, role: str, count: int) -> None:
    """Own a count beside omeflow, and nothing else."""
    await group.apply({"name": role, "replicas": count}, manager=names.seed_manager(role))


async def bound(group: Group, role: str) -> Object:
    adapter = await eventually(lambda: group.adapter(role), is_bound, what=f"the adapter of {role} bound")
    assert adapter
    return adapter


def is_bound(adapter: Object | None) -> bool:
    return adapter is not None and (adapter.get("status") or {}).get("phase") == "Bound"


async def scale(group: Group, role: str, count: int) -> None:
    await group.cluster.scale(
        kinds.SCALING_ADAPTER, f"chat-{role}", replicas=count, namespace=group.namespace, manager="autoscaler"
    )


async def test_an_adapter_is_bound_to_its_role(group: Group) -> None:
    await group.created(scaled(standalone("engine")), standalone("router"))

    adapter = await bound(group, "engine")
    assert adapter["spec"] == {"replicas": 2, "scaleTargetRef": {"name": "chat", "role": "engine"}}
    assert adapter["status"]["replicas"] == 2
    assert await group.adapter("router") is None


async def test_an_adapter_that_is_deleted_comes_back_with_the_selector_and_the_count(group: Group) -> None:
    """The cure for a selector that is empty because the adapter was bound too early (rbg.md 4.6)."""
    await group.created(scaled(standalone("engine")), scaled(leader_worker("decoder")))

    for role, suffix in (("engine", ""), ("decoder", f",{names.COMPONENT_INDEX}=0")):
        former = await bound(group, role)
        await group.cluster.delete(kinds.SCALING_ADAPTER, f"chat-{role}", namespace=group.namespace)

        def is_new(adapter: Object | None, former: Object = former) -> bool:
            return adapter is not None and is_bound(adapter) and adapter["metadata"]["uid"] != former["metadata"]["uid"]

        adapter = await eventually(lambda role=role: group.adapter(role), is_new, what="a new adapter")  # type: ignore[misc]
        workload = await group.workload(role)
        assert adapter
        assert workload
        assert adapter["status"]["selector"] == workload["status"]["labelSelector"] + suffix
        assert adapter["spec"]["replicas"] == 2


async def test_an_adapter_goes_when_it_is_disabled(group: Group) -> None:
    await group.created(scaled(standalone("engine")))
    await bound(group, "engine")

    await group.apply(standalone("engine"))

    await eventually(lambda: group.adapter("engine"), lambda obj: obj is None, what="the adapter gone")


async def test_a_count_that_its_only_owner_drops_becomes_one(group: Group) -> None:
    engine = standalone("engine", replicas=3)
    await group.created(engine)

    applied = await group.apply(without_count(engine))

    assert applied["spec"]["roles"][0]["replicas"] == 1
    await group.counted("engine", 1)
    # Pods of deleted instances are collected a moment after the workload stopped counting them.
    await eventually(group.pods, lambda pods: list(pods) == ["chat-engine-0"], what="the other pods gone")


async def test_a_bound_adapter_overrides_a_dropped_count(group: Group) -> None:
    engine = scaled(standalone("engine"))
    await group.created(engine)
    await bound(group, "engine")
    before = await group.pods()

    applied = await group.apply(attempt(without_count(engine), 2))

    assert applied["spec"]["roles"][0]["replicas"] == 1

    async def overridden() -> bool:
        """The group's controller says so; it sees nothing to override if the adapter's has written the count first."""
        told = await group.events("ReplicasOverriddenByAdapter")
        return bool(told) or (await group.object())["spec"]["roles"][0]["replicas"] == 2

    await eventually(overridden, bool, what="the event, or the count")
    await group.rolled_out("engine", 2)
    assert await group.pods() == before


async def test_an_overridden_count_is_written_back_when_the_roles_status_moves(group: Group) -> None:
    engine = scaled(standalone("engine"))
    await group.created(engine)
    await bound(group, "engine")

    await group.apply(attempt(without_count(scaled(standalone("engine", NEW))), 2))

    stored = await eventually(group.object, lambda obj: obj["spec"]["roles"][0]["replicas"] == 2, what="2 stored")
    assert owners_of_count(stored, "engine") == ADAPTER_OWNS
    await group.rolled_out("engine", 2)
    assert len(await group.pods()) == 2


async def test_a_count_with_a_second_owner_stays_when_the_first_drops_it(group: Group) -> None:
    engine, decoder = standalone("engine"), standalone("decoder", replicas=3)
    await group.created(engine, decoder)
    await seed(group, "engine", 2)
    await seed(group, "decoder", 3)

    await group.apply(attempt(without_count(engine), 2), attempt(without_count(decoder), 2))

    await group.rolled_out("engine", 2)
    await group.rolled_out("decoder", 2)
    stored = await group.object()
    assert [role["replicas"] for role in stored["spec"]["roles"]] == [2, 3]
    assert owners_of_count(stored, "engine") == {("omeflow-seed-engine", "Apply")}


async def test_scaling_through_the_adapter_reaches_the_role_and_its_pods(group: Group) -> None:
    engine = scaled(standalone("engine"))
    await group.created(engine)
    await bound(group, "engine")
    await seed(group, "engine", 2)
    await group.apply(without_count(engine))
    before = await group.pods()

    await scale(group, "engine", 4)
    await group.counted("engine", 4)

    after = await group.pods()
    assert sorted(after) == ["chat-engine-0", "chat-engine-1", "chat-engine-2", "chat-engine-3"]
    assert all(after[name]["metadata"]["uid"] == pod["metadata"]["uid"] for name, pod in before.items())
    stored = await group.object()
    assert stored["spec"]["roles"][0]["replicas"] == 4
    assert owners_of_count(stored, "engine") == ADAPTER_OWNS

    await scale(group, "engine", 1)
    await group.counted("engine", 1)
    # Pods of deleted instances are collected a moment after the workload stopped counting them.
    await eventually(group.pods, lambda pods: list(pods) == ["chat-engine-0"], what="the other pods gone")


async def test_a_rollout_that_leaves_the_count_out_keeps_what_the_adapter_wrote(group: Group) -> None:
    engine = scaled(standalone("engine"))
    await group.created(engine)
    await bound(group, "engine")
    await seed(group, "engine", 2)
    await group.apply(without_count(engine))
    await scale(group, "engine", 3)
    await group.counted("engine", 3)

    await group.apply(attempt(scaled(without_count(standalone("engine", NEW))), 2))
    await group.rolled_out("engine", 2)

    assert (await group.role("engine"))["replicas"] == 3
    assert len(await group.pods()) == 3


async def test_scaling_in_the_midst_of_a_rollout_is_no_obstacle(group: Group) -> None:
    engine = scaled(standalone("engine", replicas=3))
    await group.created(engine)
    await bound(group, "engine")
    await seed(group, "engine", 3)

    await group.apply(attempt(scaled(without_count(standalone("engine", NEW))), 2))
    await scale(group, "engine", 5)
    await group.counted("engine", 5)
    await group.rolled_out("engine", 2)

    assert {pod["spec"]["containers"][0]["image"] for pod in (await group.pods()).values()} == {NEW}


async def test_a_role_can_be_scaled_to_nothing_and_back(group: Group) -> None:
    await group.created(scaled(standalone("engine")))
    await bound(group, "engine")

    await scale(group, "engine", 0)
    await group.counted("engine", 0)
    await scale(group, "engine", 1)
    await group.counted("engine", 1)
