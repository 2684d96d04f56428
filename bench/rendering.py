#!/usr/bin/env python3
"""What rendering costs: one `omeflow render` in a warm process, and the inputs of many services on one core.

    .venv/bin/python bench/rendering.py [--cases DIR] [--services 500] [--json OUT]

Without a cluster. `--cases` is a directory of recorded cases (`<group>/<case>/given.yaml` and `service.yaml`); without
it the repository's examples are rendered. A service that is refused counts too: it has gone through the pipeline.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from omeflow.api.errors import OmeflowError
from omeflow.api.kinds import ALL, INFERENCE_SERVICE
from omeflow.cli import console
from omeflow.cli.render import render
from omeflow.components.inputs import Inputs
from omeflow.components.references import reference_to
from omeflow.components.resolution import resolve_inputs
from strategies.manager import default_manager
from strategies.render import render as render_inputs

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
OME = {kind.name: kind for kind in ALL if kind.group == INFERENCE_SERVICE.group}
REPEATS = 5
Manifest = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--services", type=int, default=500)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = measure(list(of_cases(given.cases) if given.cases else of_examples()), given.services)
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


def of_cases(directory: Path) -> Iterator[list[Path]]:
    """The files of each case: what the cluster holds, and the service."""
    for service in sorted(directory.glob("*/*/service.yaml")):
        yield [path for path in (service.with_name("given.yaml"), service) if path.exists()]


def of_examples() -> Iterator[list[Path]]:
    models = EXAMPLES / "models.yaml"
    for service in sorted(EXAMPLES.glob("*.yaml")):
        if service != models:
            yield [models, service]


def measure(sets: list[list[Path]], services: int) -> dict[str, Any]:
    command(sets[0])  # warm
    medians = {"/".join(files[-1].parts[-3:]): median(files) for files in sets}
    slowest = max(medians, key=lambda name: medians[name])
    read = [inputs for files in sets for inputs in inputs_of(files)]
    many = list(itertools.islice(itertools.cycle(read), services))
    strategies = default_manager()
    refusals = 0

    def all_of_them() -> None:
        nonlocal refusals
        for one in many:
            try:
                render_inputs(one, strategies)
            except OmeflowError:
                refusals += 1

    return {
        "omeflow render, warm: median of all sets of files, CPU ms": round(statistics.median(medians.values()), 1),
        "omeflow render, warm: slowest set, CPU ms": round(medians[slowest], 1),
        "slowest set": slowest,
        "services": services,
        "their inputs rendered: CPU s": round(seconds(all_of_them), 3),
        "of which refused": refusals,
    }


def median(files: list[Path]) -> float:
    """Milliseconds that the command takes for these files."""
    return statistics.median(1000 * seconds(lambda: command(files)) for _ in range(REPEATS))


def command(files: list[Path]) -> None:
    """The command as it is called, in this process; what it prints is thrown away."""
    with open(os.devnull, "w") as nowhere, contextlib.suppress(OmeflowError):
        terminal, console.stdout.file = console.stdout.file, nowhere
        try:
            render(files)
        finally:
            console.stdout.file = terminal


def inputs_of(files: list[Path]) -> Iterator[Inputs]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    objects = [one for path in files for one in yaml.load_all(path.read_text(), loader) if one]
    known = [one for one in objects if one["kind"] in OME]
    for one in known:
        one["metadata"].setdefault("namespace", "default")
    found = {reference_to(OME[one["kind"]], one): one for one in known}
    for service in known:
        if service["kind"] == INFERENCE_SERVICE.name:
            yield resolve_inputs(service, found)


def seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
