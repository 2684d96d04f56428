"""Where verbs write: results to standard output, everything else to standard error.

Markup is off: sentences name fields as `containers[main].image`, and rich would take the brackets for its own.
"""

from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

stdout = Console(highlight=False, markup=False)
stderr = Console(stderr=True, highlight=False, markup=False)

_PRINTED = typer.Option("--output", "-o", help="How results are printed.")
AsText = Annotated[Literal["text", "json"], _PRINTED]
AsTable = Annotated[Literal["table", "json"], _PRINTED]
AsYaml = Annotated[Literal["yaml", "json"], _PRINTED]


def progress(line: str) -> None:
    """Progress of long work, a line at a time: readable on a terminal and in a log."""
    stderr.print(Text.assemble(("· ", "dim"), line), soft_wrap=True)
