"""Revisions of a LeaderWorkerSet: what the groups of a template are known by, and the ControllerRevisions that keep it.

The key, a hash of the template, is a label of every pod of a group. Coming back to a former template is a new
ControllerRevision with the former key, so that groups that never left it are up to date at once.
"""

from omeflow.kube.request import Object
from omeflow.local.lws import wire
from omeflow.local.lws.spec import Template, template_of
from omeflow.local.simulation.objects import copied, labels_of, name_of, namespace_of, owned_by, short_hash
from omeflow.local.simulation.writes import Create, Delete, Write


class Revisions:
    """The revisions of one LeaderWorkerSet, in their order; the last is the one that it wants."""

    def __init__(self, lws: Object, wanted: Object, known: list[Object]) -> None:
        """
        Args:
            wanted: what a revision keeps, of the LeaderWorkerSet as it is now.
            known: its ControllerRevisions.
        """
        self._known = sorted(known, key=lambda each: int(each["revision"]))
        self._templates = {key_of(each): template_of(copied(each["data"])) for each in self._known}
        self.update = short_hash(wanted)
        self.writes: list[Write] = []
        if not self._known or key_of(self._known[-1]) != self.update:
            number = int(self._known[-1]["revision"]) + 1 if self._known else 1
            self.writes.append(Create(_controller_revision(lws, wanted, self.update, number)))
            self._templates[self.update] = template_of(copied(wanted))

    @property
    def former(self) -> str:
        """The revision of the last rollout that was seen through, which groups below a partition keep."""
        return key_of(self._known[0]) if self._known else self.update

    def template(self, key: str) -> Template | None:
        """None: nobody knows any more what the groups of that key were made of."""
        return self._templates.get(key)

    def expired(self) -> list[Write]:
        """Deletions of all but the wanted one, once a rollout is seen through."""
        return [Delete(each) for each in self._known if key_of(each) != self.update]


def key_of(obj: Object) -> str:
    return labels_of(obj).get(wire.REVISION, "")


def _controller_revision(lws: Object, wanted: Object, key: str, number: int) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name_of(lws)[:220]}-{key}-{number}",
            "namespace": namespace_of(lws),
            "labels": {wire.NAME: name_of(lws), wire.REVISION: key},
            "ownerReferences": [owned_by(lws)],
        },
        "data": wanted,
        "revision": number,
    }
