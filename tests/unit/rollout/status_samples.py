"""A situation as the watcher sees it, the status that is made of it, and what one looks at in that."""

from typing import Any

from rollout_samples import record

from omeflow.api.rollouts import InferenceRollout, StageTiming, Wait
from omeflow.rollout.roles import Crash, RoleState
from omeflow.rollout.status import Facts, service_status
from omeflow.rollout.urls import ServiceUrls

Json = dict[str, Any]
NOW, LATER = "2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"
WAIT = Wait(name="stage engine", reason="0 of 2 available", deadline="2026-11-22T12:00:00Z")
IN_HAND = StageTiming(name="engine", roles=["engine"])
HOSTS = {role: f"http://chat-{role}.serving.svc.cluster.local" for role in ("engine", "decoder", "router")}
URLS = ServiceUrls("http://chat.acme.dev", "http://chat.serving.svc.cluster.local:80", HOSTS)


def facts(*roles: RoleState, last: InferenceRollout | None = None, **changes: Any) -> Facts:
    states = {role.role: role for role in roles}
    given: Json = {
        "generation": 5,
        "fingerprint": "f1",
        "records": [last or record()],
        "roles": states,
        "urls": URLS,
    }
    return Facts(**(given | changes))


def status_of(*roles: RoleState, last: InferenceRollout | None = None, before: Json | None = None, **more: Any) -> Json:
    return service_status(facts(*roles, last=last, **more), before=before or {}, now=NOW)


def condition(status: Json, kind: str) -> Json:
    [found] = [entry for entry in status["conditions"] if entry["type"] == kind]
    return {key: value for key, value in found.items() if key not in ("type", "lastTransitionTime")}


def verdict(status: Json, kind: str) -> str:
    return str(condition(status, kind)["status"])


CRASH = Crash("chat-engine-0", "ome-container", 137, "out of memory")
