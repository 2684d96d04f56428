"""The kinds that omeflow reads and writes, and where they live on the API server.

A closed list instead of discovery: a kind that is not here is a kind that omeflow must not touch.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, name: str | None = None, namespace: str | None = None, subresource: str | None = None) -> str:
        """URL path of the collection, or of one object, or of its subresource.

        A namespaced kind without namespace gives the collection over all namespaces.
        """
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)

    @property
    def built_in(self) -> bool:
        """Whether every cluster serves it."""
        return self.group in _BUILT_IN

    def __str__(self) -> str:
        return self.name


_BUILT_IN = {
    "",
    "apiextensions.k8s.io",
    "apps",
    "autoscaling",
    "coordination.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
}
OME = ("ome.io", "v1beta1")
RBG = ("workloads.x-k8s.io", "v1alpha2")

INFERENCE_SERVICE = Kind(*OME, "InferenceService", "inferenceservices")
SERVING_RUNTIME = Kind(*OME, "ServingRuntime", "servingruntimes")
CLUSTER_SERVING_RUNTIME = Kind(*OME, "ClusterServingRuntime", "clusterservingruntimes", namespaced=False)
BASE_MODEL = Kind(*OME, "BaseModel", "basemodels")
CLUSTER_BASE_MODEL = Kind(*OME, "ClusterBaseModel", "clusterbasemodels", namespaced=False)
FINE_TUNED_WEIGHT = Kind(*OME, "FineTunedWeight", "finetunedweights", namespaced=False)
ACCELERATOR_CLASS = Kind(*OME, "AcceleratorClass", "acceleratorclasses", namespaced=False)

INFERENCE_ROLLOUT = Kind("omeflow.io", "v1alpha1", "InferenceRollout", "inferencerollouts")
ROLLOUT_POLICY = Kind("omeflow.io", "v1alpha1", "RolloutPolicy", "rolloutpolicies")

ROLE_BASED_GROUP = Kind(*RBG, "RoleBasedGroup", "rolebasedgroups")
SCALING_ADAPTER = Kind(*RBG, "RoleBasedGroupScalingAdapter", "rolebasedgroupscalingadapters")
COORDINATED_POLICY = Kind(*RBG, "CoordinatedPolicy", "coordinatedpolicies")
ROLE_BASED_GROUP_WARMUP = Kind(*RBG, "RoleBasedGroupWarmup", "rolebasedgroupwarmups")
ROLE_INSTANCE_SET = Kind(*RBG, "RoleInstanceSet", "roleinstancesets")
ROLE_INSTANCE = Kind(*RBG, "RoleInstance", "roleinstances")

LEADER_WORKER_SET = Kind("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets")
RAY_CLUSTER = Kind("ray.io", "v1", "RayCluster", "rayclusters")
KNATIVE_SERVICE = Kind("serving.knative.dev", "v1", "Service", "services")
SCALED_OBJECT = Kind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects")
VIRTUAL_SERVICE = Kind("networking.istio.io", "v1beta1", "VirtualService", "virtualservices")
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
SIDECAR = Kind("networking.istio.io", "v1beta1", "Sidecar", "sidecars")

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
POD = Kind("", "v1", "Pod", "pods")
SERVICE = Kind("", "v1", "Service", "services")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
EVENT = Kind("", "v1", "Event", "events")
CONTROLLER_REVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets")
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
HORIZONTAL_POD_AUTOSCALER = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
INGRESS = Kind("networking.k8s.io", "v1", "Ingress", "ingresses")
POD_DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
CUSTOM_RESOURCE_DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Kind))
_BY_TYPE = {(kind.api_version, kind.name): kind for kind in ALL}


def kind_of(obj: dict[str, Any]) -> Kind:
    """The kind of a manifest.

    Raises:
        KeyError: omeflow does not know that kind.
    """
    return _BY_TYPE[obj["apiVersion"], obj["kind"]]


def title(obj: dict[str, Any]) -> str:
    """How messages name an object: `RoleBasedGroup serving/chat`."""
    metadata = obj["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{obj['kind']} {place}{metadata['name']}"
