"""`omeflow demo`: the main job, on this machine, in a minute or two."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from omeflow.cli.console import stderr, stdout
from omeflow.cli.ground import DEFAULT_DIRECTORY, ground
from omeflow.cli.story import Story

EXAMPLES = "Examples: omeflow demo · omeflow demo --keep-running"
DIRECTORY = DEFAULT_DIRECTORY / "demo"
EXAMPLES_FOLDER = Path(__file__).parents[2] / "examples"


def demo(
    keep_running: Annotated[
        bool, typer.Option("--keep-running", help="Leave cluster and Temporal UI up at the end, until Ctrl-C.")
    ] = False,
    ui_port: Annotated[
        int | None, typer.Option("--ui-port", help="Port of the Temporal UI. Default: a free one.")
    ] = None,
    directory: Annotated[Path, typer.Option("--directory", help="Where it keeps its files.")] = DIRECTORY,
    examples: Annotated[Path, typer.Option("--examples", help="Folder of the sample services.")] = EXAMPLES_FOLDER,
) -> None:
    """Start a local cluster, roll a prefill/decode service out, disturb it, and check what happened.

    Exits with 0 only if every claim held.
    """
    held = asyncio.run(_demo(keep_running, ui_port, directory, examples))
    raise typer.Exit(0 if held else 1)


async def _demo(keep_running: bool, ui_port: int | None, directory: Path, examples: Path) -> bool:
    began = time.monotonic()
    async with ground(local=True, directory=directory, ui_port=ui_port, models=["llama-3-8b"], keep=False) as made:
        assert made.temporal is not None
        lines: list[str] = []
        story = Story(made, directory, examples, say=lambda line: None)
        url = made.temporal.run_url(story.workflow_id)
        stderr.print(f"[bold]the run, in the Temporal UI:[/] {url}", soft_wrap=True)
        with _showing(story, lines, began):
            try:
                held = await story.tell()
            except TimeoutError as error:
                lines.append(f"{error}")
                held = False
                story.say(f"[red]{error}[/]")
        stdout.print(_verdict(story))
        stdout.print(f"the run: {url}", soft_wrap=True)
        stdout.print(
            f"{'everything held' if held else '[red]not everything held[/]'}, {time.monotonic() - began:.0f} s in all"
        )
        if keep_running:
            stderr.print(f"still running: export KUBECONFIG={made.kubeconfig} · Ctrl-C ends it", soft_wrap=True)
            await asyncio.Event().wait()
        return held


@contextmanager
def _showing(story: Story, lines: list[str], began: float) -> Iterator[None]:
    """What happens, as lines; on a terminal with a table of roles below them."""

    def say(line: str) -> None:
        text = f"[dim]{time.monotonic() - began:6.1f} s[/]  {line}"
        (live.console if live else stderr).print(text, soft_wrap=True)

    live: Live | None = None
    story.say = say
    if stderr.is_terminal:
        live = Live(get_renderable=lambda: _roles(story), console=stderr, refresh_per_second=4, transient=True)
        with live:
            yield
    else:
        yield


def _roles(story: Story) -> Table:
    table = Table("role", "attempt", "replicas", "stage", box=None)
    journal = story.journal
    for role in ("engine", "decoder", "router"):
        attempt, handed = journal.last("attempt", role), journal.last("handed", role)
        stage = "waiting" if attempt is None else "handed over" if attempt == handed else "applied"
        table.add_row(role, str(attempt or "-"), str(journal.last("count", role) or "-"), stage)
    return table


def _verdict(story: Story) -> Table:
    table = Table("", "claim", "seen", box=None, pad_edge=False)
    for claim in story.claims:
        table.add_row("[green]held[/]" if claim.held else "[red]broken[/]", claim.text, claim.evidence)
    return table
