"""An annotation of ours that nobody reads is refused by name, whatever the strategy."""

from dataclasses import replace

import pytest
from rbg_samples import OWNER, config

from omeflow.api.errors import Invalid
from omeflow.components.types import Components
from strategies.known_annotations import READ, refuse_unknown


def components(service: dict[str, str], **of_components: dict[str, str]) -> Components:
    """Keywords are annotations of components, which carry the service's as well."""
    configs = {
        role: replace(config(role), annotations=service | of_components.get(role, {})) for role in ("engine", "router")
    }
    return Components("chat", "serving", "llama", "srt", configs, annotations=service)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            components({"omeflow.io/gang-sheduling": "Group"}),
            "metadata.annotations[omeflow.io/gang-sheduling] is no annotation that omeflow reads;"
            " write omeflow.io/gang-scheduling, or remove it",
        ),
        (
            components({}, router={"omeflow.io/warmup": "true"}),
            "spec.router.annotations[omeflow.io/warmup] is no annotation that omeflow reads;"
            " write omeflow.io/warm-up, or remove it",
        ),
        (
            components({"omeflow.io/x": "1"}),
            "metadata.annotations[omeflow.io/x] is no annotation that omeflow reads; remove it",
        ),
        (
            components({}, engine={"omeflow.io/rollout-policy": "careful"}),
            "spec.engine.annotations[omeflow.io/rollout-policy] counts for the service as a whole;"
            " move it to metadata.annotations",
        ),
    ],
)
def test_what_nobody_reads_is_refused(given: Components, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        refuse_unknown(OWNER, given)
    assert str(refused.value) == f"InferenceService {OWNER.namespace}/{OWNER.name}: {said}"


def test_what_is_read_and_what_is_not_ours_passes() -> None:
    service = dict.fromkeys(READ, "x") | {"team.example/omeflow.io": "x", "local.omeflow.io/startup": "20s"}
    refuse_unknown(OWNER, components(service, engine={"omeflow.io/restart-delay": "1m"}))
