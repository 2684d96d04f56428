"""What a service asks of RBG by annotation, as RBG is told it: gangs, places, restarts (rbg.md 6).

A gang is an annotation of the group, and the controller does not look when only annotations change (rbg.md 2.7). So
each role carries it too, where it makes the role differ, and the group gets it from the roles.

An exclusive place is not RBG's annotation of the group: that one would move all roles at once, whatever the order of
the rollout, and the label that it selects by is on no pod (rbg.md 6.2). The pods say it themselves, role by role.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.api.names import GROUP_NAME, RBG_PREFIX
from omeflow.api.policies import seconds
from omeflow.components.types import ComponentConfig, Components, DeploymentMode, Json
from strategies.contract import Owner
from strategies.group_annotations import (
    EXCLUSIVE_TOPOLOGY,
    GANG_PRIORITY_CLASS,
    GANG_QUEUE,
    GANG_SCHEDULING,
    GANG_TIMEOUT,
    IN_PLACE_SCHEDULING,
    RESTART_DELAY,
    RESTART_MAX_DELAY,
    RESTART_POLICY,
    WARM_UP,
    place_of,
    refuse_unread,
)

GROUP_ANNOTATIONS = f"{RBG_PREFIX}group-"
"""What annotations of a role start with that are meant for its group."""
GROUP_UID = f"{RBG_PREFIX}group-uid"
"""Label of every pod of a group: a hash of its namespace and name (rbg.md 2.3)."""
EXCLUSIVE = "omeflow.io/exclusive"
"""Label of the pods that are to share a place with their group alone."""
GANG = f"{GROUP_ANNOTATIONS}gang-scheduling"
_OPTIONS_OF_A_GANG = {
    GANG_TIMEOUT: f"{GANG}-timeout",
    GANG_QUEUE: f"{GANG}-volcano-queue",
    GANG_PRIORITY_CLASS: f"{GANG}-volcano-priority",
}
_RECREATE = "RecreateRoleInstanceOnPodRestart"
_DELAYS = {"baseDelaySeconds": (RESTART_DELAY, 30), "maxDelaySeconds": (RESTART_MAX_DELAY, 600)}
"""By field of RBG: annotation, and RBG's default in seconds."""
NOWHERE = "None"
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
"""What Kubernetes takes as a topologyKey; pods with any other would be refused one by one, the old ones gone."""


def ensure_understood(owner: Owner, components: Components) -> None:
    """Raises Invalid if the service asks for something in vain; the sentence names field and remedy."""
    refuse_unread(owner, components)
    for config in components.configs.values():
        asked = Asked(owner, config, components.annotations)
        asked.role_annotations()
        asked.restart_policy()
        asked.placed({})
        asked.warm_up()
    for key in (RESTART_POLICY, RESTART_DELAY, RESTART_MAX_DELAY):
        spread = any(config.mode is DeploymentMode.MULTI_NODE for config in components.configs.values())
        if key in components.annotations and not spread:
            raise Invalid(
                f"InferenceService {owner.namespace}/{owner.name}: metadata.annotations[{key}] is for components of"
                " several nodes, and the service has none: the kubelet restarts single pods; remove it"
            )


class Asked:
    """What one component asks for.

    Args:
        service: annotations of the InferenceService.
    """

    def __init__(self, owner: Owner, config: ComponentConfig, service: Mapping[str, str]) -> None:
        self._owner = owner
        self._config = config
        self._service = service

    def role_annotations(self) -> dict[str, str]:
        """Annotations of the role in the group, some of them for the group itself. Raises Invalid."""
        found: dict[str, str] = {}
        gang = self._one_of(GANG_SCHEDULING, ("Group", "Instance"))
        options = {key: self._value(key) for key in _OPTIONS_OF_A_GANG if self._value(key) is not None}
        if gang == "Instance":
            found[f"{RBG_PREFIX}role-instance-gang-scheduling"] = "true"
        elif gang == "Group":
            found[GANG] = "true"
            found |= {_OPTIONS_OF_A_GANG[key]: str(text) for key, text in options.items()}
            if GANG_TIMEOUT in options:
                found[_OPTIONS_OF_A_GANG[GANG_TIMEOUT]] = str(self._seconds(GANG_TIMEOUT, 0))
        if options and gang != "Group":
            [key, *_] = options
            raise self._refused(key, f"needs {GANG_SCHEDULING}: Group")
        if mode := self._one_of(IN_PLACE_SCHEDULING, ("Preferred", "Required")):
            found[f"{RBG_PREFIX}role-inplace-scheduling"] = mode
        return found

    def restart_policy(self) -> Json | None:
        """RBG's `restartPolicyConfig`; None: RBG's own default holds. Raises Invalid."""
        if self._config.mode is not DeploymentMode.MULTI_NODE:
            for key in (RESTART_POLICY, RESTART_DELAY, RESTART_MAX_DELAY):
                if self._value(key) is not None and key not in self._service:
                    raise self._refused(key, "is for components of several nodes: the kubelet restarts single pods")
            return None
        policy = self._one_of(RESTART_POLICY, (_RECREATE, "None"))
        given = [key for key, _ in _DELAYS.values() if self._value(key) is not None]
        if given and policy == "None":
            raise self._refused(given[0], f"counts with {RESTART_POLICY}: {_RECREATE} only")
        if not policy and not given:
            return None
        delays = {field: self._seconds(key, default) for field, (key, default) in _DELAYS.items()} if given else {}
        if given and delays["maxDelaySeconds"] < delays["baseDelaySeconds"]:
            raise self._refused(
                given[-1],
                f"leaves {RESTART_MAX_DELAY} ({delays['maxDelaySeconds']} s) below {RESTART_DELAY}"
                f" ({delays['baseDelaySeconds']} s)",
            )
        return {"type": policy or _RECREATE, **delays}

    def warm_up(self) -> bool:
        """Whether new images are pulled before pods are replaced. Raises Invalid."""
        return self._one_of(WARM_UP, ("true", "false")) == "true"

    def pod_labels(self) -> dict[str, str]:
        """Labels that pods carry for their place."""
        return {EXCLUSIVE: "true"} if self._topology() else {}

    def placed(self, pod_spec: Json) -> Json:
        """The pod, kept to the place of its group and away from other groups', if the component asks for that.

        The first pod chooses the place, and the others follow. Raises Invalid.
        """
        topology = self._topology()
        if not topology:
            return pod_spec
        ours = {GROUP_NAME: self._owner.name, EXCLUSIVE: "true"}
        uid = hashlib.sha1(f"{self._owner.namespace}/{self._owner.name}".encode()).hexdigest()
        others: list[Json] = [
            {"key": GROUP_UID, "operator": "Exists"},
            {"key": GROUP_UID, "operator": "NotIn", "values": [uid]},
        ]
        affinity: Json = pod_spec.get("affinity") or {}
        together = {"labelSelector": {"matchLabels": ours}, "topologyKey": topology}
        apart = {"labelSelector": {"matchExpressions": others}, "namespaceSelector": {}, "topologyKey": topology}
        return {
            **pod_spec,
            "affinity": {
                **affinity,
                "podAffinity": _with_term(affinity.get("podAffinity"), together),
                "podAntiAffinity": _with_term(affinity.get("podAntiAffinity"), apart),
            },
        }

    def _topology(self) -> str | None:
        topology = self._value(EXCLUSIVE_TOPOLOGY)
        if topology is not None and not _LABEL_KEY.fullmatch(topology):
            raise self._refused(EXCLUSIVE_TOPOLOGY, f"has to be the key of a node's label, or {NOWHERE}")
        return None if topology == NOWHERE else topology

    def _value(self, key: str) -> str | None:
        return self._config.annotations.get(key)

    def _one_of(self, key: str, values: tuple[str, ...]) -> str | None:
        given = self._value(key)
        if given is not None and given not in values:
            raise self._refused(key, f"has to be {' or '.join(values)}")
        return given

    def _seconds(self, key: str, default: int) -> int:
        given = self._value(key)
        if given is None:
            return default
        try:
            return seconds(given)
        except ValueError:
            raise self._refused(key, "has to be a duration such as 90s or 5m") from None

    def _refused(self, key: str, why: str) -> Invalid:
        annotations: Mapping[str, Any] = self._config.annotations
        place = place_of(key, self._config.role, service=self._service, component=annotations)
        return Invalid(
            f"InferenceService {self._owner.namespace}/{self._owner.name}: {place}[{key}] is {annotations[key]!r}, and"
            f" {why}; correct or remove it"
        )


def _with_term(affinity: Json | None, term: Json) -> Json:
    field = "requiredDuringSchedulingIgnoredDuringExecution"
    held: Json = affinity or {}
    return {**held, field: [*(held.get(field) or []), term]}
