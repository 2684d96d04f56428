"""Where verbs write: results to standard output, everything else to standard error.

Markup is off: sentences name fields as `containers[main].image`, and rich would take the brackets for its own.
"""

from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

stdout = Console(highlight=False, markup=False)
stderr = Console(stderr=True, highlight=False, markup=False)

_PRINTED = typer.Option("--output", "-o", help="How results are printed.")
AsText = Annotated[Literal["text", "json"], _PRINTED]
AsTable = Annotated[Literal["table", "json"], _PRINTED]
AsYaml = Annotated[Literal["yaml", "json"], _PRINTED]


def unclipped(*columns: str) -> Table:
    """A table whose cells go on in the next line where there is no room, as in a log of 80 columns: the end of a
    sentence says what to do."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def progress(line: str) -> None:
    """Progress of long work, a line at a time: readable on a terminal and in a log."""
    stderr.print(Text.assemble(("· ", "dim"), line), soft_wrap=True)
