"""Arguments that a runtime prefers on an accelerator, and the sizes of parallelism in them (ome.md 8.10)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.components.arguments import merge_arguments
from omeflow.components.parallelism import refers_to_parallelism, with_parallel_sizes

ARGUMENTS = st.lists(
    st.sampled_from(["serve", "--a", "--a=1", "--b", "--b 2", "3", "-c", " --d ", "--e \\\n--f 4", "", "\\", "x=y"])
)


@pytest.mark.parametrize(
    ("given_arguments", "override", "merged"),
    [
        (["--a", "1"], [], ["--a", "1"]),
        ([], [" --a ", "1"], [" --a ", "1"]),
        (["--a", "1", "--b=2"], ["--b=3"], ["--a", "1", "--b=3"]),
        (["--a", "1", "--b=2"], ["--a=3", "--c"], ["--a=3", "--b=2", "--c"]),
        (["--a=1"], ["--a", "2"], ["--a", "2"]),
        (["--a 1", "--b"], ["--a", "2"], ["--a", "2", "--b"]),
        (["serve", "--a"], ["serve", "--b"], ["serve", "--a", "--b"]),
        (["--a=1", "--b", "--a=2"], ["--c"], ["--a=2", "--b", "--c"]),
        (["--a", "-1"], ["--b"], ["--a", "-1", "--b"]),
        (["run \\\n  --a 1 \\\n  --b\n"], ["--a 2", "--c=3"], ["run \\\n--a 2 \\\n--b \\\n--c=3"]),
        (["run", "x \\\n--a 1"], ["--a 2"], ["run", "x", "--a 2"]),
        (["--a=1"], ["--b \\\n--c"], ["--a=1", "--b", "--c"]),
    ],
)
def test_an_option_of_the_override_takes_the_place_of_its_namesake(
    given_arguments: list[str], override: list[str], merged: list[str]
) -> None:
    assert merge_arguments(given_arguments, override) == merged


@given(ARGUMENTS, ARGUMENTS)
def test_no_flag_is_lost_and_none_is_there_twice(arguments: list[str], override: list[str]) -> None:
    merged = "\n".join(merge_arguments(arguments, override)).split()
    for flag in ("-c", "--d", "--f"):
        stated = sum(word == flag for text in [*arguments, *override] for word in text.split())
        if arguments and override:
            assert merged.count(flag) == min(stated, 1)


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (["--tp", "8"], ["--tp", "4"]),
        (["--tp=8", "--x"], ["--tp=4", "--x"]),
        (["--tensor-parallel-size", "$(PARALLELISM_SIZE)"], ["--tensor-parallel-size", "4"]),
        (["--tp=8", "--tp-size=8"], ["--tp=8", "--tp-size=4"]),
        (["--tp-size=8", "--tp-size=8"], ["--tp-size=4", "--tp-size=8"]),
        (["--x", "--tp"], ["--x", "--tp"]),
        (["--tp-sizes=8"], ["--tp-sizes=8"]),
        (["run \\\n--tp-size 8 \\\n--tp-size=2"], ["run \\\n--tp-size=4 \\\n--tp-size=4"]),
        (["run \\\n--tp $(N)"], ["run \\\n--tp $(N)"]),
    ],
)
def test_a_tensor_parallel_size_is_set_where_the_arguments_state_one(arguments: list[str], changed: list[str]) -> None:
    assert with_parallel_sizes({"args": arguments}, {"tensorParallelSize": 4}) == {"args": changed}


def test_arguments_come_before_the_command_and_the_command_is_a_list_even_if_it_has_lines() -> None:
    runner = {"command": ["a\n", "--tp=8", "--pp", "1"], "args": ["--tensor-parallel-size=8"]}
    sizes = {"tensorParallelSize": 4, "pipelineParallelSize": 2, "dataParallelSize": 9}
    assert with_parallel_sizes(runner, sizes) == {
        "command": ["a\n", "--tp=8", "--pp", "2"],
        "args": ["--tensor-parallel-size=4"],
    }


def test_a_size_of_none_or_zero_changes_nothing() -> None:
    runner = {"args": ["--tp=8", "--pp=2"]}
    assert with_parallel_sizes(runner, {"tensorParallelSize": None, "pipelineParallelSize": 0}) == runner


@pytest.mark.parametrize(
    ("container", "refers"),
    [
        ({"args": ["--tp=$(PARALLELISM_SIZE)"]}, True),
        ({"command": ["sh", "-c", "run --tp ${PARALLELISM_SIZE}"]}, True),
        ({"args": ["run --tp $PARALLELISM_SIZE --x"]}, True),
        ({"env": [{"name": "TP", "value": "$(PARALLELISM_SIZE)"}, {"name": "X"}]}, True),
        ({"args": ["PARALLELISM_SIZE", "$(PARALLELISM_SIZES)"], "env": [{"name": "PARALLELISM_SIZE"}]}, False),
        ({}, False),
    ],
)
def test_a_container_that_uses_the_parallelism_is_recognised(container: dict[str, object], refers: bool) -> None:
    assert refers_to_parallelism({}, container) is refers
