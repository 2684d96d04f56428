"""What is asked of the API server, as data: building a request is separate from sending it.

One function per verb, without I/O, so that query parameters, content types and preconditions are tested by tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from omeflow.api.kinds import Kind, kind_of, title

Object: TypeAlias = dict[str, Any]
"""A manifest or an API object, as it is on the wire."""

Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    verb: str  # for messages: `apply`
    subject: str  # for messages: `Deployment serving/chat`
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    kind: Kind | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def get(kind: Kind, name: str, *, namespace: str | None) -> Request:
    return Request(
        method="GET",
        path=kind.path(name, namespace),
        verb="get",
        subject=_subject(kind, name, namespace),
        kind=kind,
    )


def collection(
    kind: Kind,
    *,
    namespace: str | None = None,
    label_selector: str | None = None,
    field_selector: str | None = None,
    limit: int = PAGE,
    token: str | None = None,
    metadata_only: bool = False,
) -> Request:
    """One page of a list; `token` is the former page's `continue`."""
    query = _selectors(label_selector, field_selector) | {"limit": str(limit)}
    if token:
        query["continue"] = token
    return Request(
        method="GET",
        path=kind.path(namespace=namespace),
        verb="list",
        subject=_subject(kind, None, namespace),
        query=query,
        accept=_accepted("PartialObjectMetadataList" if metadata_only else None),
        kind=kind,
    )


def watch(
    kind: Kind,
    *,
    resource_version: str,
    seconds: float,
    namespace: str | None = None,
    label_selector: str | None = None,
    field_selector: str | None = None,
    metadata_only: bool = False,
) -> Request:
    """Events after `resource_version`, for `seconds` at most, with bookmarks."""
    query = _selectors(label_selector, field_selector) | {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": resource_version,
        "timeoutSeconds": str(max(1, round(seconds))),
    }
    return Request(
        method="GET",
        path=kind.path(namespace=namespace),
        verb="watch",
        subject=_subject(kind, None, namespace),
        query=query,
        accept=_accepted("PartialObjectMetadata" if metadata_only else None),
        kind=kind,
    )


def apply(obj: Object, *, manager: str, force: bool, dry_run: bool, subresource: str | None) -> Request:
    kind, metadata = kind_of(obj), obj["metadata"]
    query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
    if dry_run:
        query["dryRun"] = "All"
    return Request(
        method="PATCH",
        path=kind.path(metadata["name"], metadata.get("namespace"), subresource),
        verb="apply",
        subject=title(obj),
        query=query,
        body=obj,
        content_type="application/apply-patch+yaml",  # JSON is YAML
        kind=kind,
    )


def create(obj: Object, *, manager: str, dry_run: bool) -> Request:
    kind, metadata = kind_of(obj), obj["metadata"]
    query = {"fieldManager": manager, "fieldValidation": "Strict"}
    if dry_run:
        query["dryRun"] = "All"
    return Request(
        method="POST",
        path=kind.path(namespace=metadata.get("namespace")),
        verb="create",
        subject=_subject(kind, metadata.get("name") or f"{metadata['generateName']}*", metadata.get("namespace")),
        query=query,
        body=obj,
        kind=kind,
    )


def dry_replace(obj: Object) -> Request:
    """What the object would be, completed by the server, if this was all that anybody says of it; writes nothing."""
    kind, metadata = kind_of(obj), obj["metadata"]
    return Request(
        method="PUT",
        path=kind.path(metadata["name"], metadata.get("namespace")),
        verb="replace (dry run)",
        subject=title(obj),
        query={"dryRun": "All", "fieldValidation": "Strict"},
        body=obj,
        kind=kind,
    )


def delete(
    kind: Kind,
    name: str,
    *,
    namespace: str | None,
    uid: str | None,
    resource_version: str | None,
    propagation: Propagation,
) -> Request:
    wanted = {"uid": uid, "resourceVersion": resource_version}
    preconditions = {key: value for key, value in wanted.items() if value is not None}
    options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
    if preconditions:
        options["preconditions"] = preconditions
    return Request(
        method="DELETE",
        path=kind.path(name, namespace),
        verb="delete",
        subject=_subject(kind, name, namespace),
        body=options,
        kind=kind,
    )


def merge_patch(
    kind: Kind, name: str, *, namespace: str | None, patch: Object, subresource: str | None, manager: str
) -> Request:
    return Request(
        method="PATCH",
        path=kind.path(name, namespace, subresource),
        verb="scale" if subresource == "scale" else "patch",
        subject=_subject(kind, name, namespace),
        query={"fieldManager": manager},
        body=patch,
        content_type="application/merge-patch+json",
        kind=kind,
    )


def raw(path: str) -> Request:
    """A path that belongs to no kind: discovery, metrics, health."""
    return Request(method="GET", path=path, verb="get", subject=path)


def _accepted(partial: str | None) -> str:
    """JSON; of objects, or of their metadata as that kind."""
    return f"application/json;as={partial};g=meta.k8s.io;v=v1" if partial else "application/json"


def _selectors(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    wanted = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in wanted.items() if value}


def _subject(kind: Kind, name: str | None, namespace: str | None) -> str:
    if name is None:
        return f"{kind}s in {namespace}" if namespace else f"{kind}s"
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
