"""Template variables in the container that serves (ome.md 6.4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omeflow.api.errors import Invalid
from omeflow.components.placeholders import Variables, expand

VARIABLES = Variables(
    name="chat",
    namespace="demo",
    uid="c0ffee",
    labels={"tenant": "search", "app.example/tier": "a"},
    annotations={"note": "<a & 'b' + \"c\">"},
)


def expanded(text: str) -> str:
    filled: str = expand({"name": "ome-container", "args": [text]}, variables=VARIABLES)["args"][0]
    return filled


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{ .Name }}", "chat"),
        ("{{.Name}}", "chat"),
        ("{{ .Namespace }}/{{ .Name }}", "demo/chat"),
        ("{{ .UID }}", "c0ffee"),
        ("topic-{{ .Labels.tenant }}", "topic-search"),
        ("[{{ .Labels.absent }}]", "[]"),
        ("{{ index .Labels `app.example/tier` }}", "a"),
        ('{{ index .Labels "app.example/tier" }}', "a"),
        ("{{ index .Labels `absent` }}", ""),
        ("{{ .Annotations.note }}", "&lt;a &amp; &#39;b&#39; &#43; &#34;c&#34;&gt;"),
        ("{{ index .Annotations `note` }}", "&lt;a &amp; &#39;b&#39; &#43; &#34;c&#34;&gt;"),
        ("a {{- .Name -}} b", "achatb"),
        ("a {{- /* nothing */ -}} b", "ab"),
        ("{{/* nothing */}}", ""),
        ("{{`{{ m.content }}`}}", "{{ m.content }}"),
    ],
)
def test_what_refers_to_the_service_is_filled_in(text: str, filled: str) -> None:
    assert expanded(text) == filled


@pytest.mark.parametrize(
    "text",
    [
        "$(MODEL_PATH)",
        "{% for m in messages %}{{ m.content }}{% endfor %}",
        "{{ m.Name }}",
        "{{ messages[0].Name }}",
        "{{ .Prompt }}",
        "{{ }}",
        "{{",
        "}}",
        '{"a": {"b": 1}}',
        "{{ 'x' | upper }}",
        " {{- content }}",
    ],
)
def test_other_braces_stay_as_they_are(text: str) -> None:
    assert expanded(text) == text


@pytest.mark.parametrize(
    "action",
    [
        "{{ if .Labels.tenant }}",
        "{{ .Name | printf `%s` }}",
        "{{ .Labels }}",
        "{{ .Labels.a.b }}",
        "{{ .ResourceVersion }}",
        "{{ index .Labels .Name }}",
        "{{ (.Name) }}",
    ],
)
def test_a_reference_that_is_not_understood_is_refused(action: str) -> None:
    with pytest.raises(Invalid) as refusal:
        expanded(f"--x={action}")
    assert 'container "ome-container"' in str(refusal.value)
    assert action in str(refusal.value)


def test_every_text_of_the_container_is_filled_in_and_nothing_else() -> None:
    container: dict[str, Any] = {
        "name": "{{ .Name }}",
        "env": [{"name": "N", "value": "{{ .Namespace }}"}],
        "ports": [{"containerPort": 80}],
    }
    assert expand(container, variables=VARIABLES) == {
        "name": "chat",
        "env": [{"name": "N", "value": "demo"}],
        "ports": [{"containerPort": 80}],
    }


@given(st.text(alphabet="{}`.-/* aNme\"'<$("))
def test_text_is_filled_in_or_refused_but_never_breaks(text: str) -> None:
    try:
        result = expanded(text)
    except Invalid:
        return
    assert "{{" in text or result == text
