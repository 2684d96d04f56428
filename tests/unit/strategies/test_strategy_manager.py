"""Which strategy serves a service, and how a refusal is explained (design section 4)."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint

import pytest
from attempt_samples import Cluster, DictionaryStrategy

from omeflow.api.errors import Invalid
from strategies import manager
from strategies.contract import Owner
from strategies.manager import StrategyManager, default_manager

RBG = {"ome.io/deploymentMode": "RoleBasedGroup"}
OWNER = Owner("serving", "chat", "u1")


class Named(DictionaryStrategy):
    """Applies to services that ask for it by name."""

    def __init__(self, name: str = "Elsewhere") -> None:
        super().__init__(Cluster())
        self.name = name

    def is_applicable(self, annotations: Mapping[str, str]) -> bool:
        return annotations.get("wants") == self.name


def selected(strategies: StrategyManager, annotations: Mapping[str, str]) -> str:
    return strategies.select("serving/chat", annotations).strategy.name


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        (RBG, "RBG"),
        ({}, "SingleComponent"),
        ({"ome.io/deploymentMode": "RawDeployment"}, "SingleComponent"),
        ({"ome.io/deploymentMode": "rolebasedgroup"}, "SingleComponent"),
    ],
)
def test_the_annotation_chooses(annotations: Mapping[str, str], name: str) -> None:
    assert selected(default_manager(), annotations) == name


def test_the_first_that_applies_is_chosen() -> None:
    first, second = Named("a"), Named("b")
    second.is_applicable = lambda annotations: True  # type: ignore[method-assign]
    assert selected(StrategyManager([first, second]), {"wants": "a"}) == "a"
    assert selected(StrategyManager([second, first]), {"wants": "a"}) == "b"


def test_the_choice_comes_with_its_reason() -> None:
    choice = StrategyManager([Named("a"), Named("b")]).select("serving/chat", {"wants": "b"})
    assert choice.reason == "strategy b: first of a, b that applies"


@pytest.mark.parametrize(
    ("annotations", "ignored"),
    [
        ({}, False),
        (RBG, False),
        ({"ome.io/deploymentMode": "MultiNode"}, False),
        ({"ome.io/deploymentMode": "RoleBasedGruop"}, True),
        ({"ome.io/deploymentMode": ""}, True),
    ],
)
def test_a_mode_that_is_none_is_told(annotations: Mapping[str, str], ignored: bool) -> None:
    told = default_manager().select("serving/chat", annotations).ignored
    assert ("which is no mode and counts as absent: the strategy is SingleComponent" in told) is ignored


def test_a_mode_by_which_a_strategy_applies_is_one() -> None:
    class ByMode(Named):
        def is_applicable(self, annotations: Mapping[str, str]) -> bool:
            return annotations.get("ome.io/deploymentMode") == "Elsewhere"

    assert StrategyManager([ByMode()]).select("serving/chat", {"ome.io/deploymentMode": "Elsewhere"}).ignored == ""


def test_two_strategies_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two strategies are called a: rename one"):
        StrategyManager([Named("a"), Named("b"), Named("a")])


def test_a_service_that_no_strategy_takes_is_told_which_there_are() -> None:
    with pytest.raises(Invalid) as refused:
        StrategyManager([Named("a"), Named("b")]).select("serving/chat", {})
    assert str(refused.value) == "InferenceService serving/chat: no registered strategy applies (a, b)"


def test_strategies_are_found_by_name_and_in_order() -> None:
    strategies = StrategyManager([Named("b"), Named("a")])
    assert [strategy.name for strategy in strategies] == ["b", "a"]
    assert strategies.named("a").name == "a"
    with pytest.raises(KeyError):
        strategies.named("c")


def test_installed_strategies_come_by_name_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def installed(*, group: str) -> list[EntryPoint]:
        asked.append(group)
        return [EntryPoint("z", f"{__name__}:Last", group), EntryPoint("a", f"{__name__}:Named", group)]

    monkeypatch.setattr(manager, "entry_points", installed)
    assert [strategy.name for strategy in default_manager()] == ["RBG", "Elsewhere", "Last", "SingleComponent"]
    assert asked == ["omeflow.strategies"]
    assert selected(default_manager(), {"wants": "Elsewhere"}) == "Elsewhere"
    assert selected(default_manager(), RBG) == "RBG"


class Last(Named):
    def __init__(self) -> None:
        super().__init__("Last")
