"""Strings that the RoleBasedGroup controllers put on the wire (rbg.md 2.2 to 2.4), and small readers of API objects."""

from datetime import UTC, datetime

from omeflow.api.kinds import RBG
from omeflow.api.names import COMPONENT_INDEX as COMPONENT_INDEX
from omeflow.api.names import GROUP_NAME as GROUP_NAME
from omeflow.api.names import RBG_PREFIX
from omeflow.api.names import ROLE_NAME as ROLE_NAME
from omeflow.kube.request import Object

API_VERSION = "/".join(RBG)

MANAGER = "rbg"
ADAPTER_MANAGER = "rolebasedgroupscalingadapter"
GROUP_MANAGER = "rolebasedgroup"
"""Owner of the one annotation that the controller writes on the group itself."""

GROUP_UID = f"{RBG_PREFIX}group-uid"
ROLE_REVISION = f"{RBG_PREFIX}role-revision-"
ROLE_TYPE = f"{RBG_PREFIX}role-type"
ROLE_SIZE = f"{RBG_PREFIX}role-size"
INSTANCE_PATTERN = f"{RBG_PREFIX}role-instance-pattern"
INSTANCE_NAME = f"{RBG_PREFIX}role-instance-name"
INSTANCE_INDEX = f"{RBG_PREFIX}role-instance-index"
COMPONENT_NAME = f"{RBG_PREFIX}component-name"
COMPONENT_ID = f"{RBG_PREFIX}component-id"
COMPONENT_SIZE = f"{RBG_PREFIX}component-size"
DISCOVERY_MODE = f"{RBG_PREFIX}discovery-config-mode"
UPDATE_STATE = f"{RBG_PREFIX}inplace-update-state"
POD_NAME = "statefulset.kubernetes.io/pod-name"
REVISION_HASH = "controller-revision-hash"

LEADER, WORKER = "leader", "worker"
STANDALONE_TYPE, LEADER_WORKER_TYPE, COMPONENTS_TYPE = "PodTemplate", "LeaderWorkerSet", "Components"

IN_PLACE_READY = "InPlaceUpdateReady"
INSTANCE_POD_READY = "InstancePodReady"
INSTANCE_READY = "RoleInstanceReady"
INSTANCE_PODS_READY = "RoleInstanceAllPodsReady"
INSTANCE_IN_PLACE_READY = "RoleInstanceInPlaceUpdateReady"


def name_of(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Object) -> str:
    return str(obj["metadata"]["namespace"])


def uid_of(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def labels_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def terminating(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def status_of(obj: Object) -> Object:
    return obj.get("status") or {}


def condition(obj: Object, of_type: str) -> Object | None:
    """The condition of that type in an object's status."""
    for held in status_of(obj).get("conditions") or []:
        if held["type"] == of_type:
            return dict(held)
    return None


def is_true(obj: Object, of_type: str) -> bool:
    held = condition(obj, of_type)
    return held is not None and held["status"] == "True"


def owned_by(owner: Object, *, controller: bool = True) -> Object:
    """Owner reference to `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "blockOwnerDeletion": True,
        **({"controller": True} if controller else {}),
    }


def timestamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()
