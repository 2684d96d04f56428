"""Taking a service over from OME's own controller: what is compared, what is kept as it is, what is left behind.

A takeover changes no value and restarts no pod (design rule 5). Where omeflow renders an object as it is there, the
object is adopted as rendered; where it renders it otherwise, it is adopted as OME wrote it, and the difference goes out
with the next change, like that of another version of omeflow (rule 11).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from omeflow.api.handover import was_written_by, written_by
from omeflow.api.kinds import SIDECAR, kind_of, title
from omeflow.api.messages import TAKEOVER
from omeflow.api.names import FIELD_MANAGER, UPSTREAM_MANAGER, role_attempt
from omeflow.api.rollouts import RolloutPlan
from omeflow.api.steps import Stage
from strategies.comparing import PODS, Difference
from strategies.contract import Desired, DesiredRole, Manifest, Owner, reference_to
from strategies.digests import digest
from strategies.history import address
from strategies.in_use import role_of

Address = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """An object as omeflow renders it, beside the one that is there.

    Attributes:
        role: whose workload it is; empty for what stands beside workloads.
        live: None if there is none.
        differences: what omeflow would change; none of what others own and it says nothing about.
    """

    manifest: Manifest
    role: str = ""
    live: Manifest | None = None
    differences: Sequence[Difference] = ()

    @property
    def title(self) -> str:
        return title(self.manifest)

    @property
    def managers(self) -> list[str]:
        """Who owns fields of the live object, beside its status: also a scaler, which writes through `scale`."""
        entries = self.live["metadata"].get("managedFields") or [] if self.live else []
        return sorted({entry["manager"] for entry in entries if entry.get("subresource") != "status"})


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a takeover of one service finds.

    Attributes:
        problem: why it cannot be taken over, and what to do; empty if it can.
        orphans: objects that OME made for the service and that omeflow does not want; nobody removes them by himself.
        remembered: what was chosen for the service, read off the live objects.
    """

    owner: Owner
    problem: str = ""
    objects: Sequence[Compared] = ()
    orphans: Sequence[str] = ()
    remembered: Mapping[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        return f"{self.owner.namespace}/{self.owner.name}"

    @property
    def restarts(self) -> list[str]:
        """Roles whose pods would restart if they were written as rendered."""
        found = [one.role for one in self.objects if one.role and any(each.restarts for each in one.differences)]
        return list(dict.fromkeys(found))

    @property
    def is_there(self) -> bool:
        """Whether anything exists that could be taken over."""
        return any(one.live is not None for one in self.objects)


def rendered_objects(desired: Desired) -> Iterator[Compared]:
    """Everything that omeflow would write, not compared yet."""
    for role in desired.roles.values():
        yield from (Compared(manifest, role.role) for manifest in role.body.values())
    yield from map(Compared, desired.shared)


def as_it_is(one: Compared) -> Manifest:
    """The live object as a manifest that keeps it so: what OME or omeflow wrote of it, without count and marks."""
    assert one.live is not None
    said = written_by(one.live, (UPSTREAM_MANAGER, FIELD_MANAGER))
    metadata = said["metadata"] | {"ownerReferences": one.manifest["metadata"]["ownerReferences"]}
    if "annotations" in metadata:
        mark = role_attempt(one.role)
        metadata["annotations"] = {key: text for key, text in metadata["annotations"].items() if key != mark}
    kept = {**said, "metadata": metadata}
    if one.role and "spec" in said:
        kept["spec"] = {key: value for key, value in said["spec"].items() if key != "replicas"}
    return kept


def adopted(desired: Desired, kept: Mapping[Address, Manifest]) -> Desired:
    """What is wanted, with the objects as they were adopted: `kept`, by address; those that are not there as rendered.

    A role that was adopted otherwise than rendered has another digest, so that its next change is noticed.
    """

    def part(manifests: Iterable[Manifest]) -> list[Manifest]:
        return [kept.get(address(manifest), manifest) for manifest in manifests]

    def role(wanted: DesiredRole) -> DesiredRole:
        body = {title(manifest): manifest for manifest in part(wanted.body.values())}
        return replace(wanted, body=body, digest=digest(body))

    return replace(
        desired,
        roles={name: role(wanted) for name, wanted in desired.roles.items()},
        rbac=part(desired.rbac),
        autoscalers=part(desired.autoscalers),
        exposure=part(desired.exposure),
    )


def plan(desired: Desired) -> RolloutPlan:
    """The plan of an attempt that found everything in place."""
    roles = list(desired.roles)
    stage = Stage(name=TAKEOVER, roles=roles, reason="taken over from OME's controller as they are")
    return RolloutPlan(stages=[stage], changed_roles=roles, summary="taken over from OME's controller; nothing changed")


def is_of_service(obj: Manifest, owner: Owner) -> bool:
    """Whether an object belongs to the service; OME's Sidecars have no owner (ome.md 16.37), and go by its manager."""
    references = obj["metadata"].get("ownerReferences") or []
    if not references and kind_of(obj) is SIDECAR:
        name = str(obj["metadata"]["name"]).rpartition("-")[0]
        return name == owner.name and was_written_by(obj, UPSTREAM_MANAGER)
    return any(reference["uid"] == owner.uid for reference in references)


def orphans(desired: Desired, objects: Iterable[Manifest]) -> list[str]:
    """Objects of the service that OME made and omeflow does not want (ome.md 16.34 to 16.37)."""
    wanted = desired.objects
    left = [obj for obj in objects if reference_to(obj) not in wanted and was_written_by(obj, UPSTREAM_MANAGER)]
    return sorted(title(obj) for obj in left)


def serves_elsewhere(desired: Desired, objects: Sequence[Manifest]) -> str:
    """Why a role cannot be taken over that serves from another kind of workload than omeflow would make."""
    there = [reference_to(obj) for obj in objects]
    for name, role in desired.roles.items():
        if not role.workloads or any(one in there for one in role.workloads):
            continue
        others = [title(obj) for obj in objects if kind_of(obj) in PODS and role_of(obj) == name]
        if others:
            wanted = ", ".join(f"{one['kind']} {one['name']}" for one in role.workloads)
            return (
                f"{name} serves from {', '.join(others)}, and omeflow would make {wanted}: let the service ask for"
                " the mode that it runs in, take it over, and change the mode afterwards"
            )
    return ""
