"""The applies that write a role's workload objects, so that no live count ever changes.

A field whose only owner stops applying it falls back to its default, which for a count is 1. So a count is seeded at
creation by two managers, `omeflow` and `omeflow-seed-<role>`; from then on `omeflow` leaves the count out, and before
it first does so the seed manager must hold it (design rule 3).
"""

from collections.abc import Iterable, Mapping

from omeflow.api.kinds import KNATIVE_SERVICE, kind_of, title
from omeflow.api.names import FIELD_MANAGER, role_attempt, seed_manager
from omeflow.api.ownership import lost_fields, owners
from strategies.contract import Apply, Live, Manifest, RoleVersion, reference_to

COUNT = ("spec", "replicas")


def applies(roles: Mapping[str, RoleVersion], live: Live) -> list[Apply]:
    """Everything to apply, in order, so that each role has its version. What is as it was applied is left alone."""
    return [
        apply
        for version in roles.values()
        for manifest in version.desired.body.values()
        for apply in _object(version, manifest, _found(manifest, live))
    ]


def attempt_of(obj: Manifest, role: str) -> int:
    """The attempt whose version of the role a live object has; 0 if it has none of ours."""
    mark = (obj["metadata"].get(_place_of_mark(obj)) or {}).get(role_attempt(role), "")
    return int(mark) if mark.isdigit() else 0


def _object(version: RoleVersion, manifest: Manifest, live: Manifest | None) -> Iterable[Apply]:
    role, count = version.desired.role, version.desired.min_replicas
    counted = reference_to(manifest) == version.desired.counted
    marked = _marked(manifest, version)
    if live is None:
        if not counted:
            return [Apply(marked, f"{title(manifest)} created")]
        with_count = {**marked, "spec": {**marked["spec"], "replicas": count}}
        return [
            Apply(with_count, f"{title(manifest)} created at {count}"),
            _seed(manifest, role, count, f"co-own the first count {count} of {role}"),
        ]
    if attempt_of(live, role) == version.attempt and not lost_fields(marked, live, FIELD_MANAGER):
        return []
    held = {**marked, "metadata": {**marked["metadata"], "uid": live["metadata"]["uid"]}}
    whole = Apply(held, f"{title(manifest)} as of attempt {version.attempt}", force=True)
    if not counted or not owners(live, COUNT) <= {FIELD_MANAGER}:
        return [whole]
    count = live["spec"].get("replicas", 1)
    return [_seed(live, role, count, f"co-own the live count {count} of {role} before omeflow leaves it out"), whole]


def _marked(manifest: Manifest, version: RoleVersion) -> Manifest:
    metadata, place = manifest["metadata"], _place_of_mark(manifest)
    mark = {role_attempt(version.desired.role): str(version.attempt)}
    return {**manifest, "metadata": {**metadata, place: {**metadata.get(place, {}), **mark}}}


def _place_of_mark(obj: Manifest) -> str:
    """An annotation, but a label of Knative Services: upstream's have labels always and annotations seldom, and no
    field is to be there that upstream's object lacks."""
    return "labels" if kind_of(obj) == KNATIVE_SERVICE else "annotations"


def _seed(obj: Manifest, role: str, count: int, why: str) -> Apply:
    held = {key: obj["metadata"][key] for key in ("name", "namespace", "uid") if key in obj["metadata"]}
    manifest = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": held, "spec": {"replicas": count}}
    return Apply(manifest, why, manager=seed_manager(role))


def _found(manifest: Manifest, live: Live) -> Manifest | None:
    name = manifest["metadata"]["name"]
    return next((obj for obj in live.of(kind_of(manifest)) if obj["metadata"]["name"] == name), None)
