"""`omeflow render`: what a service becomes, without a cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml

from omeflow.api.errors import Invalid
from omeflow.api.kinds import INFERENCE_SERVICE
from omeflow.api.names import FIELD_MANAGER
from omeflow.cli.console import AsYaml, stdout
from omeflow.components.references import Listing, Wanted
from omeflow.components.resolution import gather, resolve_inputs
from strategies.contract import Live, Owner, RoleVersion
from strategies.manager import default_manager
from strategies.render import render as render_inputs

Manifest = dict[str, Any]

EXAMPLES = "Example: omeflow render examples/models.yaml examples/prefill-decode-router.yaml"


def render(
    files: Annotated[list[Path], typer.Argument(help="InferenceServices, and the models and runtimes they refer to.")],
    output: AsYaml = "yaml",
) -> None:
    """Print the objects that omeflow would make of the InferenceServices in these files. Asks no cluster."""
    objects = [manifest for path in files for manifest in _read(path)]
    services = [manifest for manifest in objects if manifest.get("kind") == INFERENCE_SERVICE.name]
    if not services:
        raise Invalid(f"no InferenceService in {', '.join(map(str, files))}: name a file that has one")
    rendered = [manifest for service in services for manifest in _objects(service, objects)]
    if output == "json":
        stdout.print(orjson.dumps(rendered, option=orjson.OPT_INDENT_2).decode(), soft_wrap=True, markup=False)
    else:
        text = yaml.dump_all(rendered, Dumper=_Plain, sort_keys=False, width=120)
        stdout.print(text, soft_wrap=True, markup=False, end="")


class _Plain(yaml.CSafeDumper):
    """YAML as kubectl writes it: equal parts are written out, not referred to."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _read(path: Path) -> Iterator[Manifest]:
    try:
        documents = list(yaml.load_all(path.read_text(), yaml.CSafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from error
    for document in documents:
        if isinstance(document, dict) and "kind" in document and "name" in (document.get("metadata") or {}):
            yield document
        elif document is not None:
            raise Invalid(f"{path} holds a document without kind or metadata.name: every document must be an object")


def _objects(service: Manifest, beside: list[Manifest]) -> Iterator[Manifest]:
    service["metadata"].setdefault("namespace", "default")

    def look_up(wanted: Wanted) -> Iterator[Manifest]:
        for obj in beside:
            metadata = obj["metadata"]
            namespace = metadata.setdefault("namespace", "default") if wanted.kind.namespaced else None
            if (obj["kind"], namespace) == (wanted.kind.name, wanted.namespace) and (
                isinstance(wanted, Listing) or metadata["name"] == wanted.name
            ):
                yield obj

    inputs = resolve_inputs(service, gather(service, look_up).found)
    chosen, desired = render_inputs(inputs, default_manager())
    metadata = service["metadata"]
    owner = Owner(metadata["namespace"], metadata["name"], metadata.get("uid", ""))
    versions = {role: RoleVersion(1, wanted) for role, wanted in desired.roles.items()}
    yield from desired.rbac
    applies = chosen.strategy.workload(owner, versions, Live({}))
    yield from (apply.manifest for apply in applies if apply.manager == FIELD_MANAGER)
    yield from desired.autoscalers
    yield from desired.exposure
