"""The annotations by which a service asks for what only a RoleBasedGroup offers, and who is refused.

What a backend cannot keep is refused by name, never left out (design section 4). So is RBG's own spelling of the same
wishes: omeflow writes the group, and what a service says in RBG's words would reach nobody but pods.
"""

from collections.abc import Collection, Iterator, Mapping

from omeflow.api.errors import Invalid
from omeflow.api.names import DEPLOYMENT_MODE, RBG_PREFIX
from omeflow.components.types import Components
from strategies.contract import Owner

GANG_SCHEDULING = "omeflow.io/gang-scheduling"
GANG_TIMEOUT = "omeflow.io/gang-timeout"
GANG_QUEUE = "omeflow.io/gang-queue"
GANG_PRIORITY_CLASS = "omeflow.io/gang-priority-class"
COORDINATED_SCALING = "omeflow.io/coordinated-scaling"
EXCLUSIVE_TOPOLOGY = "omeflow.io/exclusive-topology"
IN_PLACE_SCHEDULING = "omeflow.io/in-place-scheduling"
RESTART_POLICY = "omeflow.io/restart-policy"
RESTART_DELAY = "omeflow.io/restart-delay"
RESTART_MAX_DELAY = "omeflow.io/restart-max-delay"
WARM_UP = "omeflow.io/warm-up"

OF_THE_SERVICE = (GANG_SCHEDULING, GANG_TIMEOUT, GANG_QUEUE, GANG_PRIORITY_CLASS, COORDINATED_SCALING)
"""What counts on the service itself only; the others count on a component too, which goes first."""
OF_GROUPS = (
    *OF_THE_SERVICE,
    EXCLUSIVE_TOPOLOGY,
    IN_PLACE_SCHEDULING,
    RESTART_POLICY,
    RESTART_DELAY,
    RESTART_MAX_DELAY,
    WARM_UP,
)
_IN_RBGS_WORDS = {
    f"{RBG_PREFIX}group-gang-scheduling": GANG_SCHEDULING,
    f"{RBG_PREFIX}group-gang-scheduling-timeout": GANG_TIMEOUT,
    f"{RBG_PREFIX}group-gang-scheduling-volcano-queue": GANG_QUEUE,
    f"{RBG_PREFIX}group-gang-scheduling-volcano-priority": GANG_PRIORITY_CLASS,
    f"{RBG_PREFIX}role-instance-gang-scheduling": GANG_SCHEDULING,
    f"{RBG_PREFIX}group-exclusive-topology": EXCLUSIVE_TOPOLOGY,
    f"{RBG_PREFIX}role-inplace-scheduling": IN_PLACE_SCHEDULING,
}


def refuse_of_groups(owner: Owner, components: Components) -> None:
    """Check a service that does not run as a RoleBasedGroup.

    Raises:
        Invalid: it asks for what only a RoleBasedGroup offers.
    """
    for key, place in _given(components, OF_GROUPS):
        raise Invalid(
            f"InferenceService {owner.namespace}/{owner.name}: {place}[{key}] asks for what only a RoleBasedGroup"
            f" offers; remove it, or set metadata.annotations[{DEPLOYMENT_MODE}] to RoleBasedGroup"
        )


def refuse_unread(owner: Owner, components: Components) -> None:
    """Check a service that runs as a RoleBasedGroup for annotations that nobody would read.

    Raises:
        Invalid: one in RBG's own words, or one that counts on the service only and stands on a component.
    """
    for key, place in _given(components, _IN_RBGS_WORDS):
        raise Invalid(
            f"InferenceService {owner.namespace}/{owner.name}: {place}[{key}] is for the RoleBasedGroup, which omeflow"
            f" writes; ask with annotation {_IN_RBGS_WORDS[key]}"
        )
    for key, place in _given(components, OF_THE_SERVICE):
        if not place.startswith("metadata"):
            raise Invalid(
                f"InferenceService {owner.namespace}/{owner.name}: {place}[{key}] counts for the service as a whole;"
                f" move it to metadata.annotations"
            )


def place_of(key: str, role: str, *, service: Mapping[str, str], component: Mapping[str, str]) -> str:
    """The field in which a component's annotation was written.

    Args:
        service, component: annotations; the component's include those of the service.
    """
    return "metadata.annotations" if service.get(key) == component[key] else f"spec.{role}.annotations"


def _given(components: Components, keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """Which of the annotations the service or a component has, and in which field."""
    for key, place in every(components):
        if key in keys:
            yield key, place


def every(components: Components) -> Iterator[tuple[str, str]]:
    """All annotations of the service and of its components, and the field in which each was written."""
    for key in components.annotations:
        yield key, "metadata.annotations"
    for role, config in components.configs.items():
        for key in config.annotations:
            yield key, place_of(key, role, service=components.annotations, component=config.annotations)
