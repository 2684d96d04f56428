"""Names on the wire: built the way OME builds them, and never too long (ome.md 8.1, 8.2)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.names import component_name, dns_label, role_attempt, seed_manager, truncate

LONG = "my-very-long-inference-service-name-that-goes-on-and-on-and-on-engine"
kubernetes_names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,120}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("name", "limit", "expected"),
    [
        ("short", 63, "short"),
        ("x" * 63, 63, "x" * 63),
        ("llama-4-maverick-17b-128e-instruct-fp8", 32, "321a5921-k-17b-128e-instruct-fp8"),
        ("llama-4-maverick-17b-128e-instruct-fp8", 10, "321a5921-8"),
        ("llama-4-maverick-17b-128e-instruct-fp8", 9, "321a5921"),
        ("llama-4-maverick-17b-128e-instruct-fp8", 4, "321a"),
    ],
)
def test_a_long_name_becomes_a_hash_and_its_end(name: str, limit: int, expected: str) -> None:
    assert truncate(name, limit) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chat-engine", "chat-engine"),
        ("7b-engine", "7b-engine"),
        (LONG, "a34d0e54-ference-service-name-that-goes-on-and-on-and-on-engine"),
    ],
)
def test_a_label_that_had_to_be_shortened_starts_with_a_letter(name: str, expected: str) -> None:
    assert dns_label(name) == expected


@given(kubernetes_names, st.integers(1, 80))
def test_no_name_is_longer_than_its_limit(name: str, limit: int) -> None:
    assert len(truncate(name, limit).encode()) <= limit


@given(kubernetes_names, st.integers(10, 80))
def test_shortening_a_short_name_again_changes_nothing(name: str, limit: int) -> None:
    short = truncate(name, limit)
    assert truncate(short, limit) == short


@given(kubernetes_names)
def test_a_label_is_valid_if_its_name_was_or_had_to_be_shortened(name: str) -> None:
    label = dns_label(name)
    assert re.fullmatch(r"[a-z0-9][-a-z0-9]{0,61}[a-z0-9]|[a-z0-9]", label)
    assert label == name or label[0].isalpha()


def test_every_role_has_an_object_name_a_mark_and_a_seed_manager_of_its_own() -> None:
    assert component_name("chat", "engine") == "chat-engine"
    assert role_attempt("engine") == "omeflow.io/engine-attempt"
    assert seed_manager("engine") == "omeflow-seed-engine"
