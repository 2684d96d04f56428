"""omeflow against recordings of OME's own controller, live: the same objects after every write (design rule 5)."""

import pytest
from deliberate import DELIBERATE
from playing import CASES, SCRIPT, Verdict, case_names, is_marked

pytestmark = [
    pytest.mark.real_cluster,
    pytest.mark.timeout(3000),  # the first one waits until all have been played
    pytest.mark.skipif(not SCRIPT.exists(), reason=f"no {SCRIPT}: set OMEFLOW_CONFORMANCE_CASES to the recorded cases"),
]

FEW = (
    "accelerators/class-per-component",
    "admission/refuse-disabled-model-on-auto-selection",
    "exposure/ingress-engine-only",
    "lifecycle/change-the-runtime",
    "merging/template-variables",
    "model-and-runtime/auto-select-narrower-range",
    "modes/unknown-mode-falls-back",
    "multinode/worker-size-from-runtime",
    "pd-disaggregated/raw-prefill-decode-router",
    "raw/deployment-defaults",
    "ray/long-name",
    "rbac-and-router/router-service-account-role-binding",
    "serverless/moved-annotations-and-labels",
)
"""One of each group, quick ones: for `make test`."""


def cases() -> list[object]:
    return [pytest.param(name, marks=[pytest.mark.few] if name in FEW else []) for name in case_names()]


@pytest.mark.parametrize("case", cases())
def test_a_played_case(case: str, verdicts: dict[str, Verdict]) -> None:
    found = verdicts[case]
    assert found.verdict != "error", found.why
    if is_marked(case):
        assert not [line for line in found.why if line.endswith("never came to rest")]
    elif difference := DELIBERATE.get(case):
        assert found.why, f"it differs no more, although {difference.why}: remove it from the table"
        assert not difference.unexpected(found.why)
    else:
        assert not found.why


def test_the_table_names_cases_that_are_there_and_not_marked() -> None:
    assert set(DELIBERATE) <= set(case_names()) or not CASES.is_dir()
    assert not [case for case in DELIBERATE if (CASES / case).is_dir() and is_marked(case)]


def test_the_few_are_of_every_group() -> None:
    assert {name.partition("/")[0] for name in FEW} == {name.partition("/")[0] for name in case_names()}
