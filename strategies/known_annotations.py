"""Annotations of ours that nobody reads: refused, because whoever misspells a wish would believe it kept."""

from difflib import get_close_matches

from omeflow.api.errors import Invalid
from omeflow.api.names import PREFIX, ROLLOUT_POLICY
from omeflow.components.types import Components
from strategies.contract import Owner
from strategies.group_annotations import OF_GROUPS, every

READ = (ROLLOUT_POLICY, *OF_GROUPS)


def refuse_unknown(owner: Owner, components: Components) -> None:
    """Check what a service says in omeflow's words.

    Raises:
        Invalid: an annotation that begins as omeflow's do, and that omeflow does not read there.
    """
    for key, place in every(components):
        if not key.startswith(PREFIX) or key in OF_GROUPS:
            continue
        if key != ROLLOUT_POLICY:
            near = get_close_matches(key.removeprefix(PREFIX), [known.removeprefix(PREFIX) for known in READ], n=1)
            told = f"is no annotation that omeflow reads; {f'write {PREFIX}{near[0]}, or ' if near else ''}remove it"
        elif place != "metadata.annotations":
            told = "counts for the service as a whole; move it to metadata.annotations"
        else:
            continue
        raise Invalid(f"InferenceService {owner.namespace}/{owner.name}: {place}[{key}] {told}")
