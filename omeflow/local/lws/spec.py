"""What a LeaderWorkerSet asks for, with the defaults of schema and webhook filled in."""

from dataclasses import dataclass
from typing import Any

from omeflow.kube.request import Object
from omeflow.local.simulation.objects import scaled


@dataclass(frozen=True, slots=True)
class Policy:
    """How groups are counted, replaced and restarted; a change of it restarts nothing.

    Attributes:
        replicas: groups.
        surge: groups above the count that a rollout may use.
        max_unavailable: groups that a rollout may take away.
        partition: groups below it keep their revision.
    """

    replicas: int
    surge: int
    max_unavailable: int
    partition: int
    leader_ready_first: bool


@dataclass(frozen=True, slots=True)
class Template:
    """What a revision keeps: a change of it is a rollout."""

    leader: Object
    worker: Object
    size: int
    restart_policy: str
    subdomain_per_group: bool


def policy_of(lws: Object) -> Policy:
    spec = lws["spec"]
    update = (spec.get("rolloutStrategy") or {}).get("rollingUpdateConfiguration") or {}
    replicas = int(spec.get("replicas", 1))
    return Policy(
        replicas=replicas,
        surge=min(replicas, scaled(update.get("maxSurge", 0), replicas, up=True)),
        max_unavailable=scaled(update.get("maxUnavailable", 1), replicas, up=False),
        partition=int(update.get("partition", 0)),
        leader_ready_first=spec.get("startupPolicy") == "LeaderReady",
    )


def revised(lws: Object) -> Object:
    """The part of the spec that a revision keeps."""
    spec = lws["spec"]
    network = spec.get("networkConfig") or {"subdomainPolicy": "Shared"}
    return {"leaderWorkerTemplate": spec["leaderWorkerTemplate"], "networkConfig": network}


def template_of(kept: Object) -> Template:
    """Read back what `revised` kept."""
    template: dict[str, Any] = kept["leaderWorkerTemplate"]
    policy = template.get("restartPolicy", "RecreateGroupOnPodRestart")
    return Template(
        leader=template.get("leaderTemplate") or template["workerTemplate"],
        worker=template["workerTemplate"],
        size=int(template.get("size", 1)),
        restart_policy="None" if policy == "Default" else policy,
        subdomain_per_group=kept["networkConfig"].get("subdomainPolicy") == "UniquePerReplica",
    )
