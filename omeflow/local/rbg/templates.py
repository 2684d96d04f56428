"""From a role to the components of its instances: the three patterns, and what the controller adds to each template.

Added are labels, variables ahead of the user's own, and the mount of the group's discovery file (rbg.md 2.3 to 2.5).
Readiness gates, host names and labels that differ between pods come later, when a pod is made.
"""

import yaml

from omeflow.kube.request import Object
from omeflow.local.rbg import wire
from omeflow.local.rbg.merge import merge
from omeflow.local.simulation.objects import copied, name_of, namespace_of

_CONFIG_VOLUME, _CONFIG_PATH, _CONFIG_FILE = "rbg-cluster-config", "/etc/rbg", "config.yaml"


class InvalidRole(ValueError):
    """The role cannot be made into pods; the message says why."""


def workload_name(group: Object, role: Object) -> str:
    return f"{name_of(group)}-{role['name']}"[:63].rstrip("-")


def service_name(group: Object, role: Object) -> str:
    return f"s-{workload_name(group, role)}"[:63].rstrip("-")


def role_type(role: Object) -> str:
    if "leaderWorkerPattern" in role:
        return wire.LEADER_WORKER_TYPE
    return wire.COMPONENTS_TYPE if "customComponentsPattern" in role else wire.STANDALONE_TYPE


def shared_service(role: Object) -> str:
    """Whose pods the role's headless service names: `All` or `LeaderOnly`."""
    pattern = role.get("leaderWorkerPattern")
    return "All" if pattern is None else str(pattern.get("sharedServiceSelection", "LeaderOnly"))


def restart_policy(role: Object) -> Object:
    pattern = role.get("leaderWorkerPattern") or role.get("customComponentsPattern")
    default = "None" if pattern is None else "RecreateRoleInstanceOnPodRestart"
    said = (pattern or {}).get("restartPolicyConfig") or {}
    return {
        "type": said.get("type") or (pattern or {}).get("restartPolicy") or default,
        "baseDelaySeconds": said.get("baseDelaySeconds", 30),
        "maxDelaySeconds": said.get("maxDelaySeconds", 600),
    }


def components(group: Object, role: Object, *, labels: dict[str, str]) -> list[Object]:
    """The components of each instance of the role.

    Args:
        labels: those that all pods of the role carry.

    Raises:
        InvalidRole: no pattern, or a template that is not there.
    """
    service = service_name(group, role)
    if (standalone := role.get("standalonePattern")) is not None:
        template = _injected(group, role, _base(group, standalone), labels | {wire.COMPONENT_SIZE: "1"})
        return [{"name": role["name"], "serviceName": service, "size": 1, "template": template}]
    if (pattern := role.get("leaderWorkerPattern")) is not None:
        return _leader_and_workers(group, role, pattern, service=service, labels=labels)
    if (custom := role.get("customComponentsPattern")) is not None:
        return [_custom(group, role, component, service=service, labels=labels) for component in custom["components"]]
    raise InvalidRole(f"no valid pattern found for role {role['name']}")


def discovery_config(group: Object) -> str:
    """The file that every pod of the group can read: who is in the group, and under which addresses."""
    roles = group["spec"]["roles"]
    config = {
        "group": {"name": name_of(group), "roles": [role["name"] for role in roles], "size": len(roles)},
        "roles": {
            role["name"]: {
                "size": role["replicas"],
                "instances": [
                    {"address": f"{workload_name(group, role)}-{ordinal}.{service_name(group, role)}"}
                    for ordinal in range(role["replicas"])
                ],
            }
            for role in roles
        },
    }
    return yaml.safe_dump(config)


def _leader_and_workers(
    group: Object, role: Object, pattern: Object, *, service: str, labels: dict[str, str]
) -> list[Object]:
    size, base = pattern.get("size", 1), _base(group, pattern)
    address = f"$(RBG_ROLE_INSTANCE_NAME)-0.{service}.{namespace_of(group)}"
    made = []
    for name, patch, count in (
        (wire.LEADER, pattern.get("leaderTemplatePatch"), 1),
        (wire.WORKER, pattern.get("workerTemplatePatch"), max(0, size - 1)),
    ):
        own = labels | {wire.COMPONENT_NAME: name, wire.COMPONENT_SIZE: str(size)}
        template = _injected(group, role, merge(base, patch or {}), own, leader_address=address)
        named = name == wire.LEADER or shared_service(role) == "All"
        made.append({"name": name, "size": count, "template": template} | ({"serviceName": service} if named else {}))
    return made


def _custom(group: Object, role: Object, component: Object, *, service: str, labels: dict[str, str]) -> Object:
    size = component.get("size", 1)
    shared = {key: component[key] for key in ("labels", "annotations") if component.get(key)}
    base = merge(component["template"], {"metadata": shared})
    return {
        "name": component["name"],
        "serviceName": component.get("serviceName") or service,
        "size": size,
        "template": _injected(group, role, base, labels | {wire.COMPONENT_SIZE: str(size)}),
        **shared,
    }


def _base(group: Object, pattern: Object) -> Object:
    if "template" in pattern:
        return dict(pattern["template"])
    reference = pattern.get("templateRef")
    if reference is None:
        raise InvalidRole("neither template nor templateRef is set")
    if "patch" not in reference:
        raise InvalidRole(f"templateRef {reference['name']} has no patch")
    for template in group["spec"].get("roleTemplates") or []:
        if template["name"] == reference["name"]:
            return merge(template["template"], reference["patch"] or {})
    raise InvalidRole(f"templateRef {reference['name']} is not among the group's roleTemplates")


def _injected(
    group: Object, role: Object, template: Object, labels: dict[str, str], *, leader_address: str | None = None
) -> Object:
    made = copied(template)
    metadata, spec = made.setdefault("metadata", {}), made.setdefault("spec", {})
    metadata["labels"] = (metadata.get("labels") or {}) | labels
    volumes = spec.setdefault("volumes", [])
    if all(volume["name"] != _CONFIG_VOLUME for volume in volumes):
        items = [{"key": _CONFIG_FILE, "path": _CONFIG_FILE}]
        volumes.append({"name": _CONFIG_VOLUME, "configMap": {"name": name_of(group), "items": items}})
    ours = _variables(group, role, leader_address)
    for container in spec["containers"]:
        mounts = container.setdefault("volumeMounts", [])
        if all((mount["name"], mount["mountPath"]) != (_CONFIG_VOLUME, _CONFIG_PATH) for mount in mounts):
            mounts.append({"name": _CONFIG_VOLUME, "mountPath": _CONFIG_PATH, "readOnly": True})
        container["env"] = _with_variables(container.get("env") or [], ours)
    return made


def _variables(group: Object, role: Object, leader_address: str | None) -> list[Object]:
    variables = [
        _from_label("RBG_COMPONENT_INDEX", wire.COMPONENT_ID),
        _from_label("RBG_COMPONENT_NAME", wire.COMPONENT_NAME),
        {"name": "RBG_GROUP_NAME", "value": name_of(group)},
        _from_label("RBG_ROLE_INDEX", wire.INSTANCE_INDEX),
        _from_label("RBG_ROLE_INSTANCE_NAME", wire.INSTANCE_NAME),
        {"name": "RBG_ROLE_NAME", "value": role["name"]},
    ]
    if leader_address is not None:
        variables += [
            {"name": "RBG_LWP_LEADER_ADDRESS", "value": leader_address},
            _from_label("RBG_LWP_WORKER_INDEX", wire.COMPONENT_INDEX),
            _from_label("RBG_LWP_GROUP_SIZE", wire.COMPONENT_SIZE),
        ]
    return variables


def _from_label(name: str, label: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{label}']"}}}


def _with_variables(theirs: list[Object], ours: list[Object]) -> list[Object]:
    """Ours ahead of the user's, so that these may refer to ours; a user's variable of the same name is overwritten."""
    taken = {variable["name"] for variable in ours}
    kept = list({variable["name"]: variable for variable in theirs if variable["name"] not in taken}.values())
    prefixed = [variable for variable in kept if variable["name"].startswith("RBG_")]
    return prefixed + ours + [variable for variable in kept if variable not in prefixed]
