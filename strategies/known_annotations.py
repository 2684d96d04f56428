"""Annotations of ours that nobody reads: refused, because whoever misspells a wish would believe it kept."""

from collections.abc import Iterator
from difflib import get_close_matches

from omeflow.api.errors import Invalid
from omeflow.api.names import ROLLOUT_POLICY
from omeflow.components.types import Components
from strategies.contract import Owner
from strategies.group_annotations import OF_GROUPS, place_of

OURS = "omeflow.io/"
READ = (ROLLOUT_POLICY, *OF_GROUPS)


def refuse_unknown(owner: Owner, components: Components) -> None:
    """Check what a service says in omeflow's words.

    Raises:
        Invalid: an annotation that begins as omeflow's do, and that omeflow does not read there.
    """
    for key, place in _given(components):
        if key == ROLLOUT_POLICY:
            told = "counts for the service as a whole; move it to metadata.annotations"
        else:
            near = get_close_matches(key.removeprefix(OURS), [known.removeprefix(OURS) for known in READ], n=1)
            told = f"is no annotation that omeflow reads; {f'write {OURS}{near[0]}, or ' if near else ''}remove it"
        raise Invalid(f"InferenceService {owner.namespace}/{owner.name}: {place}[{key}] {told}")


def _given(components: Components) -> Iterator[tuple[str, str]]:
    """Ours that are not read where they stand, and in which field that is."""
    for key in components.annotations:
        if key.startswith(OURS) and key not in READ:
            yield key, "metadata.annotations"
    for role, config in components.configs.items():
        for key in config.annotations:
            place = place_of(key, role, service=components.annotations, component=config.annotations)
            if key.startswith(OURS) and key not in OF_GROUPS and not place.startswith("metadata"):
                yield key, place
