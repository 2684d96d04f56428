"""Strings that the RoleBasedGroup controllers put on the wire (rbg.md 2.2 to 2.4)."""

from omeflow.api.kinds import RBG
from omeflow.api.names import COMPONENT_INDEX as COMPONENT_INDEX
from omeflow.api.names import GROUP_NAME as GROUP_NAME
from omeflow.api.names import RBG_PREFIX
from omeflow.api.names import ROLE_NAME as ROLE_NAME

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
GANG = f"{RBG_PREFIX}group-gang-scheduling"
DISCOVERY_MODE = f"{RBG_PREFIX}discovery-config-mode"
UPDATE_STATE = f"{RBG_PREFIX}inplace-update-state"
POD_NAME = "statefulset.kubernetes.io/pod-name"
REVISION_HASH = "controller-revision-hash"

WARMUP_NAME = "workloads.x-k8s.io/warmup-name"
WARMUP_UID = "workloads.x-k8s.io/warmup-uid"
WARMUP_NODE = "workloads.x-k8s.io/node-name"

LEADER, WORKER = "leader", "worker"
STANDALONE_TYPE, LEADER_WORKER_TYPE, COMPONENTS_TYPE = "PodTemplate", "LeaderWorkerSet", "Components"

IN_PLACE_READY = "InPlaceUpdateReady"
INSTANCE_POD_READY = "InstancePodReady"
INSTANCE_READY = "RoleInstanceReady"
INSTANCE_PODS_READY = "RoleInstanceAllPodsReady"
INSTANCE_IN_PLACE_READY = "RoleInstanceInPlaceUpdateReady"
