"""What only another version of omeflow would change: shown, and not rolled (design rule 11).

An attempt knows it of its roles from its plan. Between attempts the watcher asks here, of services that another version
rendered and whose inputs are the recorded ones.
"""

from collections.abc import Sequence

from omeflow.api.errors import Terminal
from omeflow.api.messages import FORCED
from omeflow.api.rollouts import InferenceRollout
from omeflow.components.inputs import Inputs
from strategies.manager import StrategyManager
from strategies.recorded import serving_after
from strategies.render import render


def in_a_sentence(role: str) -> str:
    return f"this version of omeflow renders {role} differently; it goes out with the role's next change"


def pending_roles(attempts: Sequence[InferenceRollout], inputs: Inputs, strategies: StrategyManager) -> dict[str, str]:
    """Roles that serve another template than the present code renders, with a sentence for each.

    Args:
        attempts: of one service, oldest first; the last has converged, with these inputs.
        inputs: of the service, now.
    """
    if attempts[-1].spec.cause in FORCED:  # perhaps of older inputs: what differs then is not the code
        return {}
    renderers = {attempt.spec.number: attempt.spec.renderer for attempt in attempts}
    roles = serving_after(attempts).roles
    foreign = {
        role: version for role, version in roles.items() if renderers.get(version.attempt) != strategies.renderer
    }
    if not foreign:
        return {}
    try:
        wanted = render(inputs, strategies)[1].roles
    except Terminal:
        return {}
    return {
        role: in_a_sentence(role)
        for role, version in foreign.items()
        if role in wanted and wanted[role].digest != version.desired.digest
    }
