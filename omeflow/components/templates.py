"""Go templates, as far as they name a value: the one reader of `{{ … }}` behind container texts and host names.

Of Go's template language this has fields, `index` on labels and annotations, raw strings, comments and trim marks;
no functions, pipes or branches. What a text without meaning here amounts to is its user's decision: a container may
hold a chat template in braces (ome.md 6.4), a domain template may not (ome.md 11.3).
"""

import re
from collections.abc import Mapping

Values = Mapping[str, str | Mapping[str, str]]
"""Fields by name: a text, or a map of texts such as Labels."""

ACTION = re.compile(r"(?: *\{\{-\s|\{\{)(?P<body>(?:`[^`]*`|(?!\}\})[^`])*?)(?:\s-\}\} *|\}\})")
RAW_STRING = re.compile(r"`([^`]*)`")
_COMMENT = re.compile(r"/\*.*\*/", re.DOTALL)
_FIELD = re.compile(r"\.([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?")
_INDEX = re.compile(r"index\s+\.([A-Za-z_]\w*)\s+(?:`([^`]*)`|\"([^\"\\]*)\")")


def evaluate(expression: str, values: Values, *, missing: str = "") -> str | None:
    """The text that an action stands for, or None if it is none that is understood here.

    Args:
        expression: what stands between the braces, without spaces around it.
        missing: what `.Labels.key` gives for a key that is not there; `index` gives an empty text, as in Go.
    """
    if _COMMENT.fullmatch(expression):
        return ""
    if literal := RAW_STRING.fullmatch(expression):
        return literal[1]
    if index := _INDEX.fullmatch(expression):
        entries = values.get(index[1])
        key = index[2] if index[2] is not None else index[3]
        return entries.get(key, "") if isinstance(entries, Mapping) else None
    if field := _FIELD.fullmatch(expression):
        name, key = field.groups()
        value = values.get(name)
        if key is None:
            return value if isinstance(value, str) else None
        return value.get(key, missing) if isinstance(value, Mapping) else None
    return None
