"""Whether a backend can keep what a policy asks for (design section 4, honest refusal).

Asked when a rollout is planned, which is then refused, and by the watcher, so that the policy's own status says it.
What a policy does not ask for is never a reason.
"""

from omeflow.api.errors import PolicyRefused
from omeflow.api.policies import Policy
from strategies.contract import Strategy


def ensure_kept(policy: Policy, strategy: Strategy, *, service: str) -> None:
    """Check that the strategy's backend can keep the policy.

    Args:
        service: namespace and name, for the message.

    Raises:
        PolicyRefused: it cannot; the sentence names policy, field and remedy.
    """
    spec, can = policy.spec, strategy.capabilities
    asked = {
        "spec.ratio": (spec.ratio is not None, can.ratio, "in proportion"),
        "spec.order": (spec.order is not None and len(spec.order) > 1, can.ordering, "one after another"),
        "spec.gates": (bool(spec.gates), can.ordering, "one after another, with gates in between"),
    }
    for field, (wanted, kept, how) in asked.items():
        if wanted and not kept:
            raise PolicyRefused(
                f"InferenceService {service}: {policy} asks for {field}, and strategy {strategy.name} cannot update"
                f" roles {how}; remove that field, or have the service follow another policy"
            )
