"""`omeflow`: the verbs, and how an error leaves the program.

Exit codes: 0 done, 1 it could not be done (one line says why and what to do), 2 the command line is wrong, 3 what was
asked about is not (yet) as wanted, 130 interrupted.
"""

import logging
import os
import sys
import traceback
from contextlib import suppress

import typer
from rich.text import Text
from temporalio.service import RPCError

from omeflow.api.errors import OmeflowError
from omeflow.cli import (
    codec_server,
    demo,
    install_crds,
    migrate,
    render,
    replay,
    rollout,
    shadow,
    status,
    takeover,
    up,
    watcher,
    worker,
)
from omeflow.cli.console import stderr
from workers.refusals import refused

app = typer.Typer(
    name="omeflow",
    help="A durable InferenceService orchestrator for Kubernetes, on Temporal.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command(name="demo", epilog=demo.EXAMPLES)(demo.demo)
app.command(name="up", epilog=up.EXAMPLES)(up.up)
app.command(name="worker", epilog=worker.EXAMPLES)(worker.worker)
app.command(name="watcher", epilog=watcher.EXAMPLES)(watcher.watcher)
app.command(name="render", epilog=render.EXAMPLES)(render.render)
app.command(name="replay", epilog=replay.EXAMPLES)(replay.replay)
app.add_typer(rollout.app, name="rollout", epilog=rollout.EXAMPLES)
app.command(name="status", epilog=status.EXAMPLES)(status.status)
app.command(name="shadow", epilog=shadow.EXAMPLES)(shadow.shadow)
app.command(name="takeover", epilog=takeover.EXAMPLES)(takeover.takeover)
app.command(name="migrate", epilog=migrate.EXAMPLES)(migrate.migrate)
app.command(name="install-crds", epilog=install_crds.EXAMPLES)(install_crds.install_crds)
app.command(name="codec-server", epilog=codec_server.EXAMPLES)(codec_server.codec_server)


@app.callback()
def options(verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens, with times.")) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)  # steps that fail say so in their run


def run() -> None:
    """Entry point of the `omeflow` command.

    The process ends without taking the interpreter down: Temporal's client has threads of its own, and one that reports
    back in that moment aborts the process, with an exit code (-6) that says nothing.
    """
    try:
        code = _run()
    except Exception:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _run() -> int:
    """The exit code."""
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except OmeflowError as error:
        return fail(error)
    except RPCError as error:
        return fail(refused(error))
    except ExceptionGroup as group:
        matched, rest = group.split(OmeflowError)
        if rest is not None or matched is None:
            raise
        return fail(first(matched))
    except KeyboardInterrupt:
        return 130
    return 0


def fail(error: BaseException) -> int:
    stderr.print(Text.assemble(("error: ", "red"), f"{type(error).__name__}: {error}"), soft_wrap=True)
    return 1


def first(group: BaseExceptionGroup[OmeflowError]) -> BaseException:
    """The first error of a group of groups."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    return inner


if __name__ == "__main__":
    run()
