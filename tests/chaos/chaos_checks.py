"""What must be so after a run, and what must never have been so during it."""

from itertools import pairwise
from typing import Any

from chaos_scenario import MANAGER, ROLES, Scenario

from omeflow.api import kinds
from omeflow.api.names import ROLE_NAME, role_attempt
from omeflow.cli.journal import is_subsequence
from omeflow.components.inputs import Inputs
from strategies.contract import Desired
from strategies.render import render

Manifest = dict[str, Any]
SHARED = (
    kinds.SERVICE_ACCOUNT,
    kinds.ROLE,
    kinds.ROLE_BINDING,
    kinds.CONFIG_MAP,
    kinds.SERVICE,
    kinds.HORIZONTAL_POD_AUTOSCALER,
    kinds.POD_DISRUPTION_BUDGET,
    kinds.INGRESS,
)
"""Kinds beside the workload that the cluster serves."""


async def check(scenario: Scenario, inputs: Inputs) -> None:
    """Raises AssertionError."""
    _, desired = render(inputs, MANAGER)
    await _objects_are_the_wanted_ones(scenario, desired, uid=inputs.service.uid)
    await _attempts_are_in_order(scenario)
    _counts_were_only_ever_set_by_the_scaler(scenario)
    _attempts_of_roles_only_grow(scenario)
    _unchanged_roles_kept_their_pods(scenario)


async def _objects_are_the_wanted_ones(scenario: Scenario, desired: Desired, *, uid: str) -> None:
    platform = scenario.platform
    wanted = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in desired.shared}
    live = {
        (obj["kind"], obj["metadata"]["name"]): obj
        for kind in SHARED
        for obj in await platform.cluster.list(kind, platform.namespace)
        if uid in {owner["uid"] for owner in obj["metadata"].get("ownerReferences") or []}
    }
    assert live.keys() == wanted.keys(), (
        f"missing: {sorted(wanted.keys() - live.keys())}, unwanted: {sorted(live.keys() - wanted.keys())}"
    )
    for address, manifest in wanted.items():
        _holds(live[address], manifest, " ".join(address))
    (group,) = await platform.objects(kinds.ROLE_BASED_GROUP)
    roles = {role["name"]: role for role in group["spec"]["roles"]}
    assert roles.keys() == desired.roles.keys(), f"roles {sorted(roles)} instead of {sorted(desired.roles)}"
    for role, version in desired.roles.items():
        _holds(roles[role], version.body, f"role {role}")
    runners = {role: _containers(version.body) for role, version in desired.roles.items()}
    for pod in await scenario.live_pods():
        name, role = pod["metadata"]["name"], pod["metadata"]["labels"][ROLE_NAME]
        assert _containers(pod["spec"]) == runners[role], f"pod {name} is another than its role"
        assert "deletionTimestamp" not in pod["metadata"], f"pod {name} is on its way out"
        assert {"type": "Ready", "status": "True"}.items() <= _ready(pod).items(), f"pod {name} is not Ready"


async def _attempts_are_in_order(scenario: Scenario) -> None:
    records = await scenario.records()
    numbers = [record.spec.number for record in records]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"attempts {numbers}"
    keys = [record.spec.key for record in records]
    assert len(set(keys)) == len(keys), f"one change was taken up twice: {keys}"
    assert {record.status.phase.closed for record in records} == {True}
    assert "Failed" not in {record.status.phase for record in records}, "no input was wrong, so none may fail"
    same = [
        (former.name, latter.name)
        for former, latter in pairwise(records)
        if former.spec.fingerprint == latter.spec.fingerprint
    ]
    assert not same, f"the same inputs twice in a row, each an attempt: {same}"
    (group,) = await scenario.platform.objects(kinds.ROLE_BASED_GROUP)
    marks = group["metadata"]["annotations"]
    assert {int(marks[role_attempt(role)]) for role in ROLES} <= set(range(1, numbers[-1] + 1))


def _counts_were_only_ever_set_by_the_scaler(scenario: Scenario) -> None:
    for role, allowed in scenario.counts.items():
        seen = [entry.value for entry in scenario.journal.of("count", role)]
        assert is_subsequence(seen, _without_repeats(allowed)), f"{role}: {seen}; the scaler set {allowed}"


def _attempts_of_roles_only_grow(scenario: Scenario) -> None:
    for kind in ("attempt", "handed"):
        for role in ROLES:
            seen = [int(entry.value) for entry in scenario.journal.of(kind, role) if entry.value]
            assert seen == sorted(seen), f"{role} went back to a former template: {kind} {seen}"


def _unchanged_roles_kept_their_pods(scenario: Scenario) -> None:
    departures = scenario.platform.departures
    for role in ROLES:
        came = len(scenario.journal.of("pod", role))
        allowed = scenario.pods[role] + departures.twice[role]
        if role in scenario.templates:
            allowed += departures.replaced[role]
        if role not in scenario.recreated:
            assert came <= allowed, f"{role}: {came} pods came, {allowed} had a reason to"
        if role not in scenario.templates:
            seen = [entry.value for entry in scenario.journal.of("attempt", role)]
            assert len(seen) == 1, f"{role} was not edited and got the templates {seen}"


def _holds(live: Any, wanted: Any, where: str) -> None:
    """All that is wanted is there; the server and other managers may have added to it."""
    if isinstance(wanted, dict):
        assert isinstance(live, dict), f"{where}: {live} instead of {wanted}"
        for key, value in wanted.items():
            assert key in live or value in ({}, [], None), f"{where}.{key} is missing: {value}"
            if key in live:
                _holds(live[key], value, f"{where}.{key}")
    elif isinstance(wanted, list):
        assert isinstance(live, list), f"{where}: {live} instead of {wanted}"
        assert len(live) == len(wanted), f"{where}: {live} instead of {wanted}"
        for index, value in enumerate(wanted):
            _holds(live[index], value, f"{where}[{index}]")
    else:
        assert live == wanted, f"{where}: {live!r} instead of {wanted!r}"


def _containers(body: Manifest) -> Manifest:
    """Image, arguments and environment of a role's containers, wherever the body holds its pod template."""
    if "containers" in body:
        return {
            container["name"]: {
                "image": container["image"],
                "args": container.get("args"),
                "env": [one for one in container.get("env") or [] if not one["name"].startswith("RBG_")],
            }
            for container in body["containers"]
        }
    for value in body.values():
        if isinstance(value, dict) and (found := _containers(value)):
            return found
    return {}


def _ready(pod: Manifest) -> Manifest:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def _without_repeats(counts: list[int]) -> list[int]:
    return [count for index, count in enumerate(counts) if index == 0 or counts[index - 1] != count]
