"""Engine and decoder that grow together: a CoordinatedPolicy of the group's own name (rbg.md 1.7, 5.5).

Only of scaling. How updates keep a proportion is the rollout policy's `ratio`, which RBG's own rule would contradict.
The controller reads the policy whenever it scales, so it need not be there before the group.
"""

import re

from omeflow.api.errors import Invalid
from omeflow.api.kinds import COORDINATED_POLICY
from omeflow.api.names import DECODER, ENGINE, ISVC_LABEL
from omeflow.components.types import Components
from strategies.contract import Manifest, Owner
from strategies.group_annotations import COORDINATED_SCALING, GANG_SCHEDULING
from strategies.manifests import owned

_SHARE = re.compile(r"[1-9][0-9]?%|100%")
_TOGETHER = (ENGINE, DECODER)


def coordinated_policy(owner: Owner, components: Components) -> Manifest | None:
    """The policy by which no role's share of its wanted count is ahead of the other's by more than the skew.

    Raises:
        Invalid: the skew is no percentage, there is nobody to grow with, or both would wait for each other.
    """
    skew = components.annotations.get(COORDINATED_SCALING)
    if skew is None:
        return None
    refused = f"InferenceService {owner.namespace}/{owner.name}: metadata.annotations[{COORDINATED_SCALING}]"
    if not _SHARE.fullmatch(skew):  # an integer would stop the whole group (rbg.md 9.2)
        raise Invalid(f"{refused} is {skew!r}; it has to be a percentage from 1% to 100%")
    if not all(role in components.configs for role in _TOGETHER):
        raise Invalid(f"{refused} is for an engine and a decoder, and spec.{DECODER} is not set; remove it")
    if components.annotations.get(GANG_SCHEDULING) == "Group":
        raise Invalid(
            f"{refused} holds pods back that {GANG_SCHEDULING}: Group waits for, so that none would ever be scheduled;"
            " remove one of the two"
        )
    scaling = {"maxSkew": skew, "progression": "OrderReady"}
    rule = {"name": "scaling", "roles": [*_TOGETHER], "strategy": {"scaling": scaling}}
    labels = {ISVC_LABEL: owner.name}
    return owned(COORDINATED_POLICY, owner, owner.name, labels=labels, spec={"policies": [rule]})
