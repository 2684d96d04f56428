"""The applies that write a RoleBasedGroup, so that no live count ever changes.

A field whose only owner stops applying it falls back to its default, which for a role's `replicas` is 1 (rbg.md 4.2).
So a count is seeded at creation by two managers, `omeflow` and `omeflow-seed-<role>`; from then on `omeflow` leaves the
count out, and before it first does so the seed manager must hold it (design rule 3).
"""

from collections.abc import Mapping
from dataclasses import replace

from omeflow.api.kinds import ROLE_BASED_GROUP
from omeflow.api.names import ATTEMPT, FIELD_MANAGER, ISVC_LABEL, role_attempt, seed_manager
from omeflow.api.ownership import owners
from omeflow.api.rollouts import owner_reference
from strategies.contract import Apply, Live, LiveLimits, Manifest, Owner, RoleVersion, UpdateLimits
from strategies.rbg.asked import GROUP_ANNOTATIONS


def applies(
    owner: Owner, roles: Mapping[str, RoleVersion], live: Manifest | None, limits: Mapping[str, UpdateLimits] = {}
) -> list[Apply]:
    """Everything to apply, in order, so that the group has these roles.

    A role that is not live yet is created at its minReplicas, and its count seeded; a live role keeps its count.
    """
    limited = {role: _limited(version, limits) for role, version in roles.items()}
    counts = live_counts(live)
    new = {role: version.desired.min_replicas for role, version in roles.items() if role not in counts}
    before = [
        _seed(owner, role, count, f"co-own the live count {count} of {role} before omeflow leaves it out")
        for role, count in counts.items()
        if role in roles and _only_ours(live, role)
    ]
    whole = Apply(
        _group(owner, limited, counts=new, uid=_uid(live)),
        f"roles {', '.join(roles)}" + (f"; created at {_listed(new)}" if new else ""),
        force=live is not None,
    )
    after = [_seed(owner, role, count, f"co-own the first count {count} of {role}") for role, count in new.items()]
    return [*before, whole, *after]


def removal(
    owner: Owner,
    staying: Mapping[str, RoleVersion],
    leaving: Mapping[str, RoleVersion | None],
    live: Manifest | None,
) -> list[Apply]:
    """Take roles out: own the live count, release the seed, drop the role; else a stub stays (design rule 3).

    Until it is out, no role moves: each keeps the limits that it has.

    Args:
        leaving: the version that each leaving role has; None if no record knows it.
    """
    counts = {role: count for role, count in live_counts(live).items() if role in leaving}
    if not counts:
        return []
    uid = _uid(live)
    limits = {role: found.limits for role, found in live_limits(live).items()}
    staying = {role: _limited(version, limits) for role, version in staying.items()}
    known = {role: _limited(version, limits) for role in counts if (version := leaving[role]) is not None}
    everything = {**staying, **known}
    held = {role: count for role, count in counts.items() if role in known}
    # A removal that was begun and is decided anew has released the seed already.
    ours = {role: count for role, count in held.items() if _only_ours(live, role)}
    return [
        Apply(_group(owner, everything, counts=ours, uid=uid), "take back what others changed", force=True),
        Apply(_group(owner, everything, counts=held, uid=uid), f"own the counts of {_listed(held)} before removal"),
        *(Apply(_release(owner), f"release the count of {role}", manager=seed_manager(role)) for role in counts),
        Apply(_group(owner, staying, counts={}, uid=uid), f"drop {', '.join(counts)}", force=True),
    ]


def live_group(service: str, live: Live) -> Manifest | None:
    """The service's RoleBasedGroup; None if there is none."""
    return next((found for found in live.of(ROLE_BASED_GROUP) if found["metadata"]["name"] == service), None)


def live_counts(live: Manifest | None) -> dict[str, int]:
    """Replica count by role, as stored."""
    if live is None:
        return {}
    return {role["name"]: role.get("replicas", 1) for role in live["spec"]["roles"]}


def live_limits(live: Manifest | None) -> dict[str, LiveLimits]:
    """Count and limits by role, as stored."""
    bodies = {role["name"]: role for role in live["spec"]["roles"]} if live else {}
    limits = {role: UpdateLimits.of(live_update(body)) for role, body in bodies.items()}
    return {role: LiveLimits(count, limits[role]) for role, count in live_counts(live).items()}


def live_update(role: Manifest) -> Manifest:
    """How a role of a live group is updated, as stored."""
    found: Manifest = (role.get("rolloutStrategy") or {}).get("rollingUpdate") or {}
    return found


def rolling_update(body: Manifest, limits: UpdateLimits | None = None) -> Manifest:
    """How a role is updated, by its body, with these limits instead of its own."""
    update: Manifest = body["rolloutStrategy"]["rollingUpdate"]
    others = {name: bound for name, bound in limits.fields.items() if update.get(name, 0) != bound} if limits else {}
    return {**update, **others}


def _only_ours(live: Manifest | None, role: str) -> bool:
    """Whether omeflow would drop the count's last owner by leaving it out."""
    return owners(live or {}, ("spec", "roles", {"name": role}, "replicas")) <= {FIELD_MANAGER}


def _group(owner: Owner, roles: Mapping[str, RoleVersion], *, counts: Mapping[str, int], uid: str | None) -> Manifest:
    metadata: Manifest = {
        "name": owner.name,
        "namespace": owner.namespace,
        "labels": {ISVC_LABEL: owner.name},
        "annotations": {
            **_of_the_group(roles),
            **{role_attempt(role): str(version.attempt) for role, version in roles.items()},
        },
        "ownerReferences": [owner_reference(owner.name, owner.uid)],
    }
    if uid:
        metadata["uid"] = uid
    return {**_type(), "metadata": metadata, "spec": {"roles": [_role(v, counts) for v in roles.values()]}}


def _role(version: RoleVersion, counts: Mapping[str, int]) -> Manifest:
    role = version.desired.role
    counted = {"replicas": counts[role]} if role in counts else {}
    annotations = {**version.desired.body.get("annotations", {}), ATTEMPT: str(version.attempt)}
    return {**version.desired.body, "annotations": annotations, **counted}


def _of_the_group(roles: Mapping[str, RoleVersion]) -> dict[str, str]:
    """What the newest attempt asks for the whole group, which its roles carry for it."""
    newest = max(roles.values(), key=lambda version: version.attempt, default=None)
    told: dict[str, str] = newest.desired.body.get("annotations", {}) if newest else {}
    return {key: text for key, text in told.items() if key.startswith(GROUP_ANNOTATIONS)}


def _limited(version: RoleVersion, limits: Mapping[str, UpdateLimits]) -> RoleVersion:
    """The same with the limits of its rolling update; its digest stays."""
    role = version.desired
    if role.role not in limits or not limits[role.role].fields:
        return version
    strategy = role.body["rolloutStrategy"]
    body = {**role.body, "rolloutStrategy": {**strategy, "rollingUpdate": rolling_update(role.body, limits[role.role])}}
    return replace(version, desired=replace(role, body=body))


def _seed(owner: Owner, role: str, count: int, why: str) -> Apply:
    manifest = {**_release(owner), "spec": {"roles": [{"name": role, "replicas": count}]}}
    return Apply(manifest, why, manager=seed_manager(role))


def _release(owner: Owner) -> Manifest:
    return {**_type(), "metadata": {"name": owner.name, "namespace": owner.namespace}}


def _type() -> Manifest:
    return {"apiVersion": ROLE_BASED_GROUP.api_version, "kind": ROLE_BASED_GROUP.name}


def _uid(live: Manifest | None) -> str | None:
    return str(live["metadata"]["uid"]) if live else None


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{role} {count}" for role, count in counts.items())
