"""Images that are pulled before a role's pods are replaced: a RoleBasedGroupWarmup per role (rbg.md 1.10, 6.4).

An image of many GB takes its minutes to arrive; a pod that is replaced in the meantime is away for all of them. And one
that cannot be pulled at all is found out before any pod is touched. RBG finds the nodes of a group by itself too, but
all of them at once, so the nodes are named here.
"""

from collections.abc import Iterator, Sequence

from omeflow.api.kinds import ROLE_BASED_GROUP_WARMUP, title
from omeflow.api.names import ISVC_LABEL, ROLE_NAME, component_name
from strategies.contract import DesiredRole, Manifest, Owner
from strategies.group_annotations import WARM_UP
from strategies.manifests import owned
from strategies.pods import has_node, is_terminating, labels, trouble

OF_WARMUP = "workloads.x-k8s.io/warmup-name"
"""Label of a Warmup's pods: its name."""
_KEPT_SECONDS = 300
"""RBG deletes it so long after its end; one that failed is made anew then, if it is still asked for."""
_LONGEST_SECONDS = 3600


def warmup(owner: Owner, attempt: int, role: DesiredRole, pods: Sequence[Manifest]) -> Manifest | None:
    """What pulls a role's new images to the nodes of its pods; None if nobody asks for it, or nothing is new.

    Args:
        pods: of the service, as the API server has them.
    """
    templates = list(_templates(role.body))
    if not any((one["metadata"].get("annotations") or {}).get(WARM_UP) == "true" for one in templates):
        return None
    wanted = {image for template in templates for image in _images(template["spec"])}
    held: dict[str, set[str]] = {}
    for pod in pods:
        if labels(pod).get(ROLE_NAME) == role.role and has_node(pod) and not is_terminating(pod):
            held.setdefault(pod["spec"]["nodeName"], set()).update(_images(pod["spec"]))
    lacking = {node: wanted - images for node, images in held.items() if wanted - images}
    if not lacking:
        return None
    specs = [template["spec"] for template in templates]
    preload: Manifest = {"images": sorted(set().union(*lacking.values()))}
    if secrets := _each_once(specs, "imagePullSecrets"):
        preload["pullSecrets"] = secrets
    return owned(
        ROLE_BASED_GROUP_WARMUP,
        owner,
        f"warm-{component_name(owner.name, role.role)}-{attempt}",
        labels={ISVC_LABEL: owner.name},
        spec={
            "policies": {"globalTimeoutSeconds": _LONGEST_SECONDS, "ttlSecondsAfterFinished": _KEPT_SECONDS},
            "targetNodes": {"nodeNames": sorted(lacking), "imagePreload": preload},
            "tolerations": _each_once(specs, "tolerations"),
        },
    )


def is_over(live: Manifest) -> bool:
    return (live.get("status") or {}).get("phase") == "Completed"


def waits_for(live: Manifest, pods: Sequence[Manifest]) -> str:
    """What a Warmup that is not over waits for.

    Args:
        pods: of the Warmup.
    """
    status: Manifest = live.get("status") or {}
    if status.get("phase") == "Failed":
        failed: Manifest = next((one for one in status.get("conditions") or [] if one["type"] == "Failed"), {})
        return f"{title(live)} has failed: {failed.get('message') or 'its events say why'}"
    if found := trouble(pods):
        return found
    target = live["spec"]["targetNodes"]
    images = ", ".join(target["imagePreload"]["images"])
    return f"{title(live)} pulls {images}: {status.get('succeeded', 0)} of {len(target['nodeNames'])} nodes have it"


def _templates(body: Manifest) -> Iterator[Manifest]:
    if standalone := body.get("standalonePattern"):
        yield standalone["template"]
        return
    pattern = body["leaderWorkerPattern"]
    yield pattern["template"]
    yield pattern["workerTemplatePatch"]


def _images(spec: Manifest) -> Iterator[str]:
    for field in ("initContainers", "containers"):
        yield from (str(container["image"]) for container in spec.get(field) or [] if container.get("image"))


def _each_once(specs: Sequence[Manifest], field: str) -> list[Manifest]:
    found: list[Manifest] = []
    for spec in specs:
        found += [one for one in spec.get(field) or [] if one not in found]
    return found
