"""Which strategy serves a service: the first applicable one, in order of registration (ome.md 17).

Third parties add theirs through the entry-point group `omeflow.strategies`; they come before the default.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points, version

from omeflow.api.errors import Invalid
from omeflow.api.names import CLUSTER_DOMAIN, DEPLOYMENT_MODE
from omeflow.components.modes import mode_named
from strategies.contract import Strategy
from strategies.rbg.strategy import RBGStrategy
from strategies.single_component.strategy import SingleComponentStrategy

ENTRY_POINTS = "omeflow.strategies"


@dataclass(frozen=True, slots=True)
class Choice:
    """Attributes:
    ignored: that the mode which the service names is none, in a sentence; empty if it is one, or names none.
    """

    strategy: Strategy
    reason: str
    ignored: str = ""


class StrategyManager:
    """Strategies in priority order; names are unique.

    Attributes:
        renderer: version of the code that renders, as records name it.

    Raises:
        ValueError: two strategies have the same name.
    """

    def __init__(self, strategies: Sequence[Strategy], *, renderer: str = "") -> None:
        self.renderer = renderer
        self._strategies: dict[str, Strategy] = {}
        for strategy in strategies:
            if strategy.name in self._strategies:
                raise ValueError(f"two strategies are called {strategy.name}: rename one")
            self._strategies[strategy.name] = strategy

    def select(self, service: str, annotations: Mapping[str, str]) -> Choice:
        """The first strategy that applies.

        Raises:
            Invalid: none does.
        """
        for strategy in self._strategies.values():
            if strategy.is_applicable(annotations):
                reason = f"strategy {strategy.name}: first of {', '.join(self._strategies)} that applies"
                return Choice(strategy, reason, _ignored(strategy, annotations))
        raise Invalid(f"InferenceService {service}: no registered strategy applies ({', '.join(self._strategies)})")

    def named(self, name: str) -> Strategy:
        """Raises KeyError if there is none of that name."""
        return self._strategies[name]

    def __iter__(self) -> Iterator[Strategy]:
        return iter(self._strategies.values())


def _ignored(strategy: Strategy, annotations: Mapping[str, str]) -> str:
    """OME takes a mode that it does not know for none (ome.md 7.1); what a misspelt one leads to, nobody expects."""
    if DEPLOYMENT_MODE not in annotations or mode_named(annotations):
        return ""
    if not strategy.is_applicable({key: text for key, text in annotations.items() if key != DEPLOYMENT_MODE}):
        return ""  # it applies by that mode
    named = f"metadata.annotations[{DEPLOYMENT_MODE}] is {annotations[DEPLOYMENT_MODE]!r}"
    return f"{named}, which is no mode and counts as absent: the strategy is {strategy.name}"


def default_manager(*, cluster_domain: str = CLUSTER_DOMAIN) -> StrategyManager:
    """RBG, then whatever is installed, then the default."""
    installed = [entry.load()() for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name)]
    strategies = [
        RBGStrategy(cluster_domain=cluster_domain),
        *installed,
        SingleComponentStrategy(cluster_domain=cluster_domain),
    ]
    return StrategyManager(strategies, renderer=version("omeflow"))
