"""`omeflow demo`: the main job, on this machine, in a minute or two."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from omeflow.api.names import ROLES
from omeflow.cli.console import stderr, stdout, unclipped
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
    async with ground(local=True, directory=directory, ui_port=ui_port, keep=False) as made:
        assert made.temporal is not None
        story = Story(made, directory, examples, say=lambda line: None)
        url = made.temporal.run_url(story.workflow_id)
        stderr.print(Text.assemble(("the run, in the Temporal UI: ", "bold"), url), soft_wrap=True)
        with _showing(story, began):
            try:
                held = await story.tell()
            except TimeoutError as error:
                held = False
                story.say(f"{error}")
        stdout.print(_verdict(story))
        ending = "everything held" if held else "NOT everything held"
        stdout.print(f"{ending}, {time.monotonic() - began:.0f} s in all")
        if keep_running:
            stderr.print(f"still running: {url} · export KUBECONFIG={made.kubeconfig} · Ctrl-C ends it", soft_wrap=True)
            await asyncio.Event().wait()
        return held


@contextmanager
def _showing(story: Story, began: float) -> Iterator[None]:
    """What happens, as lines; on a terminal with a table of roles below them."""

    def say(line: str) -> None:
        text = Text.assemble((f"{time.monotonic() - began:6.1f} s  ", "dim"), line)
        (live.console if live else stderr).print(text, soft_wrap=True)

    live: Live | None = None
    story.say = say
    if stderr.is_terminal:
        live = Live(get_renderable=lambda: _roles(story), console=stderr, refresh_per_second=8, transient=True)
        with live:
            yield
    else:
        yield


def _roles(story: Story) -> Table:
    table = Table("role", "attempt", "replicas", "ready", "images", box=None)
    journal = story.journal
    for role in ROLES:
        pods = journal.pods(role)
        ready = sum(pod.ready for pod in pods)
        images = Counter(pod.image.rpartition("/")[2] for pod in pods)
        shown = ", ".join(f"{count} x {image}" for image, count in sorted(images.items()))
        count = journal.last("count", role)
        table.add_row(role, journal.last("attempt", role) or "-", str(count or "-"), str(ready), shown)
    return table


def _verdict(story: Story) -> Table:
    table = unclipped("", "claim", "seen")
    for claim in story.claims:
        verdict = Text("held", "green") if claim.held else Text("BROKEN", "red")
        table.add_row(verdict, claim.text, claim.evidence)
    return table
