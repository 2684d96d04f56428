"""Whether a backend can keep what a policy asks for (design section 4, honest refusal).

Asked when a rollout is planned, which is then refused, and by the watcher, so that the policy's own status says it.
What a policy does not ask for is never a reason.
"""

from collections.abc import Mapping

from omeflow.api.errors import PolicyRefused
from omeflow.api.policies import Policy
from strategies.contract import DesiredRole, Strategy
from strategies.limits import lets_nothing_go, policy_limits

_REMEDY = "remove that field, or have the service follow another policy"


def ensure_kept(policy: Policy, strategy: Strategy, roles: Mapping[str, DesiredRole], *, service: str) -> None:
    """Check that the strategy's backend can keep the policy.

    Args:
        roles: of the service, as the strategy renders them. What a policy says of others concerns it not.
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
                f" roles {how}; {_REMEDY}"
            )
    for role in sorted(spec.roles.keys() & roles.keys()):
        _ensure_limits(policy, strategy, roles[role], service)
    _ensure_steps(policy, strategy, roles, service)


def _ensure_steps(policy: Policy, strategy: Strategy, roles: Mapping[str, DesiredRole], service: str) -> None:
    """A service with one role of the ratio has no proportion to keep: a namespace's default may be meant for others."""
    ratio = policy.spec.ratio
    together = sorted(ratio.roles.keys() & roles.keys()) if ratio else []
    for role in together if len(together) > 1 else ():
        if strategy.limits(roles[role]).partition is None:
            raise PolicyRefused(
                f"InferenceService {service}: {policy} asks for spec.ratio, and {_what(roles[role])} cannot be updated"
                f" step by step; {_REMEDY}"
            )


def _ensure_limits(policy: Policy, strategy: Strategy, role: DesiredRole, service: str) -> None:
    said, own = policy_limits(policy.spec.roles[role.role]), strategy.limits(role)
    place = f"spec.roles.{role.role}"
    if lacking := sorted(said.fields.keys() - own.fields.keys()):
        raise PolicyRefused(
            f"InferenceService {service}: {policy} asks for {place}.{lacking[0]}, which {_what(role)} does not have;"
            f" {_REMEDY}"
        )
    if own.fields and lets_nothing_go(said, own):
        raise PolicyRefused(
            f"InferenceService {service}: {policy} asks for {place} with {_told(said.fields)}, and the service for"
            f" {_told(own.fields)}, so no instance could ever be replaced; raise {place}.maxUnavailable or"
            f" {place}.maxSurge"
        )


def _what(role: DesiredRole) -> str:
    """What a role runs as. The same kind may have limits and none, by what the service says: Recreate has none."""
    kinds = " and ".join(f"{one['kind']} {one['name']}" for one in role.workloads)
    return f"{role.role}, {kinds} as the service wants it,"


def _told(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {bound}" for name, bound in fields.items() if name != "partition")
