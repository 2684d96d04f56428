"""The applies that write a role's workload objects, so that no live count ever changes.

A field whose only owner stops applying it falls back to its default, which for a count is 1. So a count is seeded at
creation by two managers, `omeflow` and `omeflow-seed-<role>`; from then on `omeflow` leaves the count out, and before
it first does so the seed manager must hold it (design rule 3).
"""

from collections.abc import Iterable, Mapping

from omeflow.api.kinds import DEPLOYMENT, KNATIVE_SERVICE, LEADER_WORKER_SET, kind_of, title
from omeflow.api.names import FIELD_MANAGER, role_attempt, seed_manager
from omeflow.api.ownership import lost_fields, owners
from strategies.contract import Apply, DesiredRole, Live, LiveLimits, Manifest, RoleVersion, UpdateLimits, reference_to

COUNT = ("spec", "replicas")
_BOUNDS = {
    DEPLOYMENT: ("strategy", "rollingUpdate"),
    LEADER_WORKER_SET: ("rolloutStrategy", "rollingUpdateConfiguration"),
}
"""Where in `spec` the limits of a rolling update are. What has none is not updated so, such as one of type Recreate."""


def applies(roles: Mapping[str, RoleVersion], live: Live, limits: Mapping[str, UpdateLimits] = {}) -> list[Apply]:
    """Everything to apply, in order, so that each role has its version and its limits.

    What is as it was applied is left alone.
    """
    return [
        apply
        for version in roles.values()
        for manifest in version.desired.body.values()
        for apply in _object(version, limited(version.desired, manifest, limits), _found(manifest, live))
    ]


def attempt_of(obj: Manifest, role: str) -> int:
    """The attempt whose version of the role a live object has; 0 if it has none of ours."""
    mark = (obj["metadata"].get(_place_of_mark(obj)) or {}).get(role_attempt(role), "")
    return int(mark) if mark.isdigit() else 0


def rolling_update(obj: Manifest) -> Manifest | None:
    """The limits of an object's rolling update; None if it is not updated by and by."""
    found: Manifest | None = obj["spec"]
    for name in _BOUNDS.get(kind_of(obj), ("no such field",)):
        found = (found or {}).get(name)
    return found


def limits(role: DesiredRole) -> UpdateLimits:
    """The limits that a role is rendered with; None: what it runs as knows no such limit."""
    counted = next((manifest for manifest in role.body.values() if reference_to(manifest) == role.counted), None)
    update = rolling_update(counted) if counted else None
    if counted is None or update is None:
        return UpdateLimits()
    return UpdateLimits.of(_bounds(counted) if kind_of(counted) == LEADER_WORKER_SET else update)


def live_limits(roles: Iterable[DesiredRole], live: Live) -> dict[str, LiveLimits]:
    found = {role.role: _found_of(role, live) for role in roles}
    return {
        role: LiveLimits(obj["spec"].get("replicas", 1), UpdateLimits.of(update))
        for role, obj in found.items()
        if obj is not None and (update := rolling_update(obj)) is not None
    }


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
    stands = attempt_of(live, role) == version.attempt and _bounds(marked) == _bounds(live)
    if stands and not lost_fields(marked, live, FIELD_MANAGER):
        return []
    held = {**marked, "metadata": {**marked["metadata"], "uid": live["metadata"]["uid"]}}
    whole = Apply(held, f"{title(manifest)} as of attempt {version.attempt}", force=True)
    if not counted or not owners(live, COUNT) <= {FIELD_MANAGER}:
        return [whole]
    count = live["spec"].get("replicas", 1)
    return [_seed(live, role, count, f"co-own the live count {count} of {role} before omeflow leaves it out"), whole]


def limited(role: DesiredRole, manifest: Manifest, limits: Mapping[str, UpdateLimits]) -> Manifest:
    given = rolling_update(manifest)
    if role.role not in limits or reference_to(manifest) != role.counted or given is None:
        return manifest
    outer, inner = _BOUNDS[kind_of(manifest)]
    spec = manifest["spec"]
    return {**manifest, "spec": {**spec, outer: {**spec[outer], inner: {**given, **limits[role.role].fields}}}}


def _bounds(obj: Manifest) -> Manifest:
    """The limits of an object's rolling update, with the server's default for the partition."""
    return {"partition": 0, **(rolling_update(obj) or {})}


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


def _found_of(role: DesiredRole, live: Live) -> Manifest | None:
    """The live object that holds the role's count."""
    return next((_found(one, live) for one in role.body.values() if reference_to(one) == role.counted), None)
