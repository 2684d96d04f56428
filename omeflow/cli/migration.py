"""Reading and writing of `omeflow migrate`: what a move to another mode would do, and the edit that begins it.

The plan is made by the code that makes it in a run, of the service as the edit would leave it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from activities.planning import Decided, Planning
from activities.reading import read_inputs, read_policy
from activities.records import Records
from activities.remembering import history_of
from activities.room import without_room
from omeflow.api.errors import Conflict, Forbidden, Invalid
from omeflow.api.kinds import HORIZONTAL_POD_AUTOSCALER, INFERENCE_SERVICE, kind_of
from omeflow.api.messages import ROLLBACK
from omeflow.api.names import in_upstreams_hands
from omeflow.api.rollouts import InferenceRollout
from omeflow.cli.targets import Target, asked_for, edit, ensure_reached, patched
from omeflow.components.inputs import fingerprint
from omeflow.components.resolution import chooses
from omeflow.kube.client import Cluster
from omeflow.rollout.capacity import at_a_time
from strategies.contract import Manifest, Owner, Reference, RoleVersion
from strategies.counts import targets
from strategies.history import History
from strategies.manager import StrategyManager
from strategies.recorded import remembered

MANAGER = "omeflow-migrate"
"""Field manager of the edit."""


@dataclass(frozen=True, slots=True)
class Move:
    """A role that moves. `runs`: its count now, `comes_up`: that of the new workload."""

    role: str
    before: str
    after: str
    runs: int
    comes_up: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a migration would do.

    Attributes:
        patch: of the InferenceService.
        lacks: what the nodes lack at the worst moment; empty if the pods fit.
        unknown: why nobody can say whether they fit; empty if somebody can.
        rejected: how to begin all the same, if the service asks for it already and that has come to nothing; an edit
            that changes nothing would begin nothing.
        warnings: what to know before, a sentence each.
        since: number of the last attempt.
    """

    patch: Manifest
    decided: Decided
    moves: list[Move]
    lacks: list[str]
    unknown: str
    rejected: str
    warnings: list[str]
    since: int


class Migration:
    """Args: ome_namespace: where OME's configuration is."""

    def __init__(self, cluster: Cluster, strategies: StrategyManager, *, ome_namespace: str) -> None:
        self._cluster = cluster
        self._strategies = strategies
        self._ome_namespace = ome_namespace
        self._records = Records(cluster, renderer=strategies.renderer)

    async def look(self, service: Manifest, target: Target) -> Found:
        """Plan the move of a service. Writes nothing.

        Raises:
            Terminal: it cannot move there; the sentence says why, and what to do.
        """
        metadata = service["metadata"]
        owner = Owner(metadata["namespace"], metadata["name"], metadata["uid"])
        if in_upstreams_hands(service):
            raise Invalid(
                f"InferenceService {owner.namespace}/{owner.name} is in the hands of OME's controller: take it over"
                f" first, with `omeflow takeover {owner.name} -n {owner.namespace}`"
            )
        known = await self._records.of(owner.namespace, owner.name)
        own = [record for record in known if record.spec.service_uid == owner.uid]
        history = history_of(record for record in own if record.spec.plan)
        patch = edit(service, target)
        edited = patched(service, patch)
        memory = remembered(own) if chooses(edited) else None
        inputs = await read_inputs(self._cluster, self._strategies, edited, memory, ome_namespace=self._ome_namespace)
        policy = await read_policy(
            self._cluster,
            namespace=owner.namespace,
            name=owner.name,
            annotations=edited["metadata"]["annotations"],
        )
        since = known[-1].spec.number if known else 0
        decided = await Planning(self._cluster, self._strategies).decide(
            owner, inputs, attempt=since + 1, policy=policy, history=history, made=history
        )
        ensure_reached(f"{owner.namespace}/{owner.name}", target, decided.chosen.modes)
        moves = await self._moves(owner, decided, history)
        lacks, unknown = await self._room(decided)
        warnings = [*_warnings(own, moves), *await self._scaled_by_others(owner, decided, history)]
        rejected = _rejected(own, target, fingerprint(inputs))
        return Found(patch, decided, moves, lacks, unknown, rejected, warnings, since)

    async def begin(self, service: Manifest, found: Found) -> Manifest:
        """Edit the service, which asks for what it did when it was looked at. Its status may have been written.

        Raises:
            Conflict: somebody has edited it in between.
        """
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        present = service
        while True:
            held = {**found.patch["metadata"], "resourceVersion": present["metadata"]["resourceVersion"]}
            patch = {**found.patch, "metadata": held}
            try:
                return await self._cluster.merge_patch(INFERENCE_SERVICE, name, namespace, patch, manager=MANAGER)
            except Conflict as error:
                present = await self._cluster.get(INFERENCE_SERVICE, name, namespace)
                if asked_for(present) != asked_for(service):
                    said = f"InferenceService {namespace}/{name} was edited meanwhile; start the migration again"
                    raise Conflict(said) from error

    async def _moves(self, owner: Owner, decided: Decided, history: History) -> list[Move]:
        former = _leaving(decided, history)
        counts = await asyncio.gather(*(self._count(owner, version.desired.counted) for version in former.values()))
        return [
            Move(
                role,
                before=_named(version.desired.workloads),
                after=_named(decided.desired.roles[role].workloads),
                runs=count,
                comes_up=decided.counted.roles[role].min_replicas,
            )
            for (role, version), count in zip(former.items(), counts, strict=True)
        ]

    async def _count(self, owner: Owner, counted: Reference | None) -> int:
        found = await self._cluster.find(kind_of(counted), counted["name"], owner.namespace) if counted else None
        return int(found["spec"].get("replicas") or 0) if found else 0

    async def _room(self, decided: Decided) -> tuple[list[str], str]:
        if decided.plan.stages and not decided.brought:
            return [], "the resources of its pods, or the bounds of their update, cannot be counted"
        try:
            return await without_room(self._cluster, at_a_time(decided.brought)), ""
        except Forbidden as error:
            return [], str(error)

    async def _scaled_by_others(self, owner: Owner, decided: Decided, history: History) -> list[str]:
        """HorizontalPodAutoscalers that omeflow has not made, and that scale what goes."""
        leaving = {role: version.desired.counted for role, version in _leaving(decided, history).items()}
        scalers = await self._cluster.list(HORIZONTAL_POD_AUTOSCALER, owner.namespace)
        ours = [one["name"] for one in decided.plan.prune + decided.plan.switched]
        return [
            f"HorizontalPodAutoscaler {scaler['metadata']['name']} scales {held['kind']} {held['name']}, which goes:"
            f" point it to what takes the place of {role}"
            for scaler in scalers
            for role, held in leaving.items()
            if held and targets(scaler, held) and scaler["metadata"]["name"] not in ours
        ]


def _leaving(decided: Decided, history: History) -> dict[str, RoleVersion]:
    """What serves of roles that move to other objects."""
    wanted = decided.desired.roles
    return {
        role: version
        for role, version in history.serving(decided.plan.serving).items()
        if role in wanted and version.desired.workloads != wanted[role].workloads
    }


def _named(workloads: Sequence[Reference]) -> str:
    return ", ".join(f"{one['kind']} {one['name']}" for one in workloads) or "nothing"


def _rejected(own: Sequence[InferenceRollout], target: Target, wanted: str) -> str:
    """Args: wanted: fingerprint of the service as the edit would leave it."""
    last = own[-1] if own else None
    if last is None or not last.status.phase.closed or last.spec.fingerprint != wanted:
        return ""
    name, number = last.spec.service, last.spec.number
    where = f"{name} -n {last.metadata['namespace']}"
    if last.spec.cause != ROLLBACK:
        return (
            f"{name} asks for {target} already, and attempt {number} of that has failed: `omeflow replay {where}` does"
            " it again"
        )
    tried = [one for one in own if one.spec.fingerprint == wanted and one.spec.cause != ROLLBACK and one.spec.plan]
    again = f"carry that out with `omeflow rollout rollback {where} --to {tried[-1].spec.number}`, or " if tried else ""
    return (
        f"{name} asks for {target} already, and attempt {number} has rolled it back; {again}edit something else of the"
        " service"
    )


def _warnings(own: Sequence[InferenceRollout], moves: Sequence[Move]) -> list[str]:
    last = own[-1] if own else None
    found = []
    if last and not last.status.phase.closed:
        found.append(f"attempt {last.spec.number} is under way, and is superseded")
    if last and last.spec.cause == ROLLBACK:
        found.append(f"attempt {last.spec.number} is a rollback: this edit takes up what it went back from, too")
    found += [
        f"{move.role}: {move.runs} run now, and nothing scales it as {move.after}: it comes up with its minReplicas,"
        f" {move.comes_up}; raise spec.{move.role}.minReplicas before, if it needs more"
        for move in moves
        if move.runs > move.comes_up
    ]
    return found


def as_json(found: Found) -> Manifest:
    plan = found.decided.plan
    return {
        "moves": [
            {"role": one.role, "from": one.before, "to": one.after, "runs": one.runs, "comesUp": one.comes_up}
            for one in found.moves
        ],
        "stages": [stage.name for stage in plan.stages],
        "switched": [_named([one]) for one in plan.switched],
        "removed": [_named([one]) for one in plan.prune],
        "peak": plan.peak,
        "room": {"lacks": found.lacks, "unknown": found.unknown or None},
        "warnings": found.warnings,
    }
