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
from omeflow.cli.console import AsYaml, stderr, stdout
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
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from error
    for document in documents:
        if document is None:
            continue
        if problem := _problem(document):
            raise Invalid(f"{path}: {problem}")
        yield document


def _problem(document: Any) -> str:
    """Why an API server would not take a document for an object at all; empty if it would."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not document.get("kind") or not metadata.get("name"):
        return "holds a document without kind or metadata.name: every document must be an object"
    named = f"{document['kind']} {metadata['name']}"
    texts = {"kind": document["kind"]} | {f"metadata.{key}": metadata.get(key) or "" for key in ("name", "namespace")}
    for field, value in texts.items():
        if not isinstance(value, str):
            return f"{field} of {named} must be text: quote it"
    for field in ("labels", "annotations"):
        pairs = metadata.get(field) or {}
        if not isinstance(pairs, dict) or not all(isinstance(text, str) for pair in pairs.items() for text in pair):
            return f"metadata.{field} of {named} must map text to text: quote numbers, true and false"
    if not isinstance(document.get("spec", {}), dict | None):
        return f"spec of {named} must be an object"
    return ""


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
    if chosen.ignored:
        stderr.print(f"warning: InferenceService {metadata['namespace']}/{metadata['name']}: {chosen.ignored}")
    owner = Owner(metadata["namespace"], metadata["name"], metadata.get("uid", ""))
    versions = {role: RoleVersion(1, wanted) for role, wanted in desired.roles.items()}
    yield from desired.rbac
    applies = chosen.strategy.workload(owner, versions, Live({}))
    yield from (apply.manifest for apply in applies if apply.manager == FIELD_MANAGER)
    yield from desired.autoscalers
    yield from desired.exposure
