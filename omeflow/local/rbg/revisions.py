"""Revisions: hashes of templates, and the ControllerRevisions that keep the templates behind them (rbg.md 3.5).

A RoleInstanceSet at revision `chat-engine-5d9f` gives its RoleInstances the label `controller-revision-hash:
chat-engine-5d9f`. A RoleInstance has revisions of its own, `chat-engine-0-77c4`, and its pods carry the hash alone:
`77c4`. So a pod's label says nothing about its set's revision; the RoleInstance is in between.
"""

from omeflow.kube.request import Object
from omeflow.local.rbg import wire
from omeflow.local.simulation.objects import copied, labels_of, name_of, namespace_of, owned_by, short_hash
from omeflow.local.simulation.writes import Create, Delete, Patch, Write

HISTORY_LIMIT = 10


def role_hash(role: Object) -> str:
    """Hash of a role as stored, without its count: scaling is no revision."""
    return short_hash({key: value for key, value in role.items() if key != "replicas"})


def revision_name(owner: Object, template: object) -> str:
    return f"{name_of(owner)}-{short_hash(template)}"


def hash_in(revision: str) -> str:
    """The part of a revision's name that pods carry."""
    return revision.rpartition("-")[2]


def template_of(revision: Object) -> Object:
    return copied(revision["data"]["template"])


def record(owner: Object, template: Object, known: list[Object]) -> tuple[str, list[Write]]:
    """The revision of the template that `owner` has now, and the writes that keep it.

    Args:
        known: the owner's ControllerRevisions.
    """
    name = revision_name(owner, template)
    newest = max((revision["revision"] for revision in known), default=0)
    for revision in known:
        if name_of(revision) == name:
            stale = revision["revision"] < newest  # a rollback: the old revision is the newest again
            return name, [Patch(revision, {"revision": newest + 1})] if stale else []
    created: Object = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": namespace_of(owner),
            "labels": _inherited(owner) | {"controller.kubernetes.io/hash": hash_in(name)},
            "ownerReferences": [owned_by(owner)],
        },
        "data": {"template": template},
        "revision": newest + 1,
    }
    return name, [Create(created)]


def expired(known: list[Object], *, live: set[str], limit: int = HISTORY_LIMIT) -> list[Write]:
    """Deletions of the oldest revisions that nothing runs, as far as they exceed the limit."""
    idle = sorted((each for each in known if name_of(each) not in live), key=lambda each: int(each["revision"]))
    return [Delete(revision) for revision in idle[: max(0, len(idle) - limit)]]


def _inherited(owner: Object) -> dict[str, str]:
    if owner["kind"] == "RoleInstance":
        return {wire.INSTANCE_NAME: name_of(owner)}
    selected = (wire.GROUP_NAME, wire.ROLE_NAME, wire.GROUP_UID)
    return {key: value for key, value in labels_of(owner).items() if key in selected}
