from pathlib import Path

import pytest

from omeflow.local import crds


def names(*groups: str) -> set[str]:
    return {definition["metadata"]["name"] for definition in crds.shipped(groups)}


@pytest.mark.parametrize(("group", "count"), [(crds.OME, 7), (crds.RBG, 8), (crds.LWS, 1), ("example.com", 0)])
def test_definitions_are_chosen_by_group(group: str, count: int) -> None:
    chosen = names(group)
    assert len(chosen) == count
    assert all(name.endswith(f".{group}") for name in chosen)


def test_all_versions_that_are_served_are_waited_for() -> None:
    definition = next(
        each for each in crds.shipped([crds.RBG]) if each["metadata"]["name"].startswith("rolebasedgroups.")
    )
    served = crds.served_kinds(definition)
    assert {kind.version for kind in served} == {"v1alpha1", "v1alpha2"}
    assert {kind.plural for kind in served} == {"rolebasedgroups"}


def test_further_definitions_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("---\nkind: CustomResourceDefinition\n---\n---\nkind: CustomResourceDefinition\n")
    assert len(crds.from_files([file])) == 2
