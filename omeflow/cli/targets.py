"""The modes that `omeflow migrate` leads to, and the edit of a service that names one. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from omeflow.api.errors import Invalid
from omeflow.api.names import DEPLOYMENT_MODE, ENGINE
from omeflow.components.types import DeploymentMode
from strategies.contract import Manifest


class Target(StrEnum):
    """What `ome.io/deploymentMode` of the service is to say."""

    RAW = "RawDeployment"
    MULTI_NODE = "MultiNode"
    GROUP = "RoleBasedGroup"


def edit(service: Manifest, target: Target) -> Manifest:
    """The merge patch that names the mode: of the service, and of its engine where that names one of its own."""
    metadata = service["metadata"]
    patch: Manifest = {
        "metadata": {
            "uid": metadata["uid"],
            "annotations": {DEPLOYMENT_MODE: str(target)},
        }
    }
    engine = service["spec"].get(ENGINE) or {}
    if target is not Target.GROUP and (engine.get("annotations") or {}).get(DEPLOYMENT_MODE):
        patch["spec"] = {ENGINE: {"annotations": {DEPLOYMENT_MODE: str(target)}}}
    return patch


def asked_for(service: Manifest) -> list[Any]:
    """What a service says that its user may edit."""
    metadata = service["metadata"]
    return [metadata["uid"], metadata.get("labels"), metadata.get("annotations"), service["spec"]]


def patched(service: Manifest, patch: Manifest) -> Manifest:
    """The service as the patch would leave it; annotations are all that one changes."""
    metadata, spec = service["metadata"], service["spec"]
    annotations = {**(metadata.get("annotations") or {}), **patch["metadata"]["annotations"]}
    edited = {**service, "metadata": {**metadata, "annotations": annotations}}
    if "spec" in patch:
        engine = spec[ENGINE]
        own = {**engine["annotations"], **patch["spec"][ENGINE]["annotations"]}
        edited["spec"] = {**spec, ENGINE: {**engine, "annotations": own}}
    return edited


def ensure_reached(service: str, target: Target, modes: Mapping[str, str]) -> None:
    """Check that the edit leads where it is meant to.

    Args:
        service: namespace and name, for the message.
        modes: by role, as the edited service would run.

    Raises:
        Invalid: a component decides otherwise by what it has.
    """
    if target is Target.RAW:
        for role, mode in modes.items():
            if mode != DeploymentMode.RAW:
                raise Invalid(
                    f"InferenceService {service}: spec.{role} runs as {mode} by what it and its runtime ask for, and"
                    f" not as {target}; remove what asks for that, or name a runtime of single nodes"
                )
    if target is Target.MULTI_NODE and DeploymentMode.MULTI_NODE not in modes.values():
        raise Invalid(
            f"InferenceService {service}: no component has a worker, so none can run as {target}; set"
            " spec.engine.worker, or name a runtime of several nodes"
        )
