"""Where verbs write: results to standard output, everything else to standard error."""

from rich.console import Console

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def progress(line: str) -> None:
    """Progress of long work, a line at a time: readable on a terminal and in a log."""
    stderr.print(f"[dim]·[/] {line}", soft_wrap=True, markup=True)
