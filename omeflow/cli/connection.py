"""The options by which verbs find the cluster and Temporal, and by which worker and watcher are set up.

Each is written once, by the field of `Settings` that it sets; a verb says which it takes. An option that is not given
leaves its field at the default, which is written in `Settings` alone.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from workers.settings import PAYLOAD_KEYS, Settings

Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="Kubeconfig file; else $KUBECONFIG, ~/.kube/config, or the pod's own account."),
]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig; else its current one.")]
OPTIONS: Mapping[str, Any] = {
    "kubeconfig": Kubeconfig,
    "context": Context,
    "temporal_address": Annotated[
        str | None,
        typer.Option("--temporal-address", help="host:port of Temporal; else TEMPORAL_ADDRESS, or localhost:7233."),
    ],
    "temporal_namespace": Annotated[
        str | None,
        typer.Option("--temporal-namespace", help="Temporal namespace; else TEMPORAL_NAMESPACE, or default."),
    ],
    "payload_keys": Annotated[
        Path | None,
        typer.Option(
            "--payload-keys",
            envvar=PAYLOAD_KEYS,
            help="File of keys that encrypt what Temporal stores of a run; one `id: base64` per line, the first"
            " encrypts.",
        ),
    ],
    "namespaces": Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Kubernetes namespace to serve; repeatable. Default: all."),
    ],
    "ome_namespace": Annotated[
        str,
        typer.Option("--ome-namespace", envvar="OMEFLOW_OME_NAMESPACE", help="Where OME's inferenceservice-config is."),
    ],
    "cluster_domain": Annotated[
        str, typer.Option("--cluster-domain", envvar="OMEFLOW_CLUSTER_DOMAIN", help="The DNS domain of Services.")
    ],
    "dependency_runs": Annotated[
        int,
        typer.Option(
            "--dependency-runs",
            min=1,
            help="Rollouts caused by a runtime, a model or the like that may be open at a time. A user's edit never"
            " waits.",
        ),
    ],
    "lease_namespace": Annotated[
        str | None,
        typer.Option(
            "--lease-namespace", help="Where the Lease of watchers is. Default: the pod's namespace, or default."
        ),
    ],
    "health_port": Annotated[
        int | None, typer.Option("--health-port", help="Answer /healthz and /readyz on this port. Default: nowhere.")
    ],
    "health_host": Annotated[
        str, typer.Option("--health-host", help="Address of the health port; 0.0.0.0 if a kubelet probes it.")
    ],
}
CONNECTION = ("kubeconfig", "context", "temporal_address", "temporal_namespace", "payload_keys")
HEALTH = ("health_port", "health_host")
_FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


def configured(*fields: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a verb the options of these fields; it gets what they say as one `Settings`, its argument `settings`."""

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(verb)
        def with_options(**given: Any) -> None:
            values = {field: given.pop(field) for field in fields}
            said = {field: _value(value) for field, value in values.items() if value is not None}
            verb(settings=Settings(**said), **given)

        signature = inspect.signature(verb)
        own = [one for one in signature.parameters.values() if one.name != "settings"]
        options = [
            inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=OPTIONS[field])
            for field in fields
        ]
        own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
        with_options.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        return with_options

    return decorate


def _default(field: str) -> Any:
    """What --help shows as the default; nothing where it depends on the machine."""
    default = _FIELDS[field].default
    return None if default is dataclasses.MISSING or default == () else default


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
