"""The pods of a group: the leader's and its workers', as StatefulSets and LeaderWorkerSet's webhook make them."""

import hashlib

from omeflow.kube.request import Object
from omeflow.local.lws import wire
from omeflow.local.lws.spec import Template
from omeflow.local.simulation.objects import copied, is_true, labels_of, name_of, namespace_of, owned_by, status_of


def leader_name(lws: Object, group: int) -> str:
    return f"{name_of(lws)}-{group}"


def worker_name(leader: Object, index: int) -> str:
    return f"{name_of(leader)}-{index}"


def make_leader(lws: Object, group: int, revision: str, template: Template) -> Object:
    name = leader_name(lws, group)
    labels = {
        wire.NAME: name_of(lws),
        wire.GROUP_INDEX: str(group),
        wire.GROUP_KEY: hashlib.sha1(f"{namespace_of(lws)}/{name}".encode(), usedforsecurity=False).hexdigest(),
        wire.WORKER_INDEX: "0",
        wire.REVISION: revision,
    }
    own = {wire.SUBDOMAIN_POLICY: "UniquePerReplica"} if template.subdomain_per_group else {}
    subdomain = name if template.subdomain_per_group else name_of(lws)
    return _pod(name, lws, template.leader, labels, own, template=template, set_name=name_of(lws), subdomain=subdomain)


def make_worker(leader: Object, index: int, template: Template) -> Object:
    inherited = (wire.NAME, wire.GROUP_INDEX, wire.GROUP_KEY, wire.REVISION)
    labels = {key: labels_of(leader)[key] for key in inherited} | {wire.WORKER_INDEX: str(index)}
    return _pod(
        worker_name(leader, index),
        leader,
        template.worker,
        labels,
        {wire.LEADER_NAME: name_of(leader)},
        template=template,
        set_name=name_of(leader),
        subdomain=leader["spec"]["subdomain"],
    )


def is_leader(pod: Object) -> bool:
    return labels_of(pod).get(wire.WORKER_INDEX) == "0"


def group_of(leader: Object) -> int:
    return int(labels_of(leader)[wire.GROUP_INDEX])


def is_ready(pod: Object) -> bool:
    return status_of(pod).get("phase") == "Running" and is_true(pod, "Ready")


def is_pending(pod: Object) -> bool:
    return str(status_of(pod).get("phase", "Pending")) == "Pending"


def is_over(pod: Object) -> bool:
    return str(status_of(pod).get("phase")) in ("Succeeded", "Failed")


def has_restarted(pod: Object) -> bool:
    status = status_of(pod)
    statuses = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    return not is_over(pod) and any(int(each.get("restartCount", 0)) > 0 for each in statuses)


def _pod(
    name: str,
    owner: Object,
    given: Object,
    labels: dict[str, str],
    annotations: dict[str, str],
    *,
    template: Template,
    set_name: str,
    subdomain: str,
) -> Object:
    """A pod of what would be StatefulSet `set_name`: its labels and host name are a StatefulSet's."""
    metadata, spec = given.get("metadata") or {}, copied(given["spec"])
    of_set = {
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": name.rpartition("-")[2],
        "controller-revision-hash": f"{set_name}-{labels[wire.REVISION]}",
    }
    variables = {
        wire.LEADER_ADDRESS: f"{labels[wire.NAME]}-{labels[wire.GROUP_INDEX]}.{subdomain}.{namespace_of(owner)}",
        wire.GROUP_SIZE: str(template.size),
        wire.WORKER_INDEX_VARIABLE: labels[wire.WORKER_INDEX],
    }
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        container["env"] = _with_variables(container.get("env") or [], variables)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{set_name}-",
            "namespace": namespace_of(owner),
            "labels": (metadata.get("labels") or {}) | of_set | labels,
            "annotations": (metadata.get("annotations") or {}) | {wire.SIZE: str(template.size)} | annotations,
            "ownerReferences": [owned_by(owner)],
        },
        "spec": spec | {"hostname": name, "subdomain": subdomain},
    }


def _with_variables(theirs: list[Object], ours: dict[str, str]) -> list[Object]:
    """Ours ahead of the user's, so that these may refer to ours; a user's variable of the same name is overwritten."""
    return [{"name": name, "value": value} for name, value in ours.items()] + [
        variable for variable in theirs if variable["name"] not in ours
    ]
