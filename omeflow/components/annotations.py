"""Which annotations of a service mean something, and to whom (ome.md 1.8, design rule 6).

OME copies every annotation of a service into its pod templates, so that the edit of a tool's annotation restarts all
pods (ome.md 16.21). omeflow tells them apart, and this is the one place that does.
"""

from omeflow.api.names import PREFIX, RBG_PREFIX

CATEGORY = "models.ome.io/category"
DECRYPTION_KEY = "ome.io/base-model-decryption-key-name"
DECRYPTION_SECRET = "ome.io/base-model-decryption-secret-name"
MODEL_ANNOTATIONS = (CATEGORY, DECRYPTION_KEY, DECRYPTION_SECRET)
"""The annotations of a model that decide the outcome; of a runtime none does."""

BASE_MODEL_NAME = "ome.io/base-model-name"
BASE_MODEL_VENDOR = "ome.io/base-model-vendor"
BASE_MODEL_FORMAT = "ome.io/base-model-format"
BASE_MODEL_FORMAT_VERSION = "ome.io/base-model-format-version"
SERVING_RUNTIME = "ome.io/serving-runtime"
INJECT_MODEL_INIT = "ome.io/inject-model-init"
INJECT_FINE_TUNED_ADAPTER = "ome.io/inject-fine-tuned-adapter"
FINE_TUNED_STRATEGY = "ome.io/fine-tuned-weight-ft-strategy"
MERGED_WEIGHTS = "ome.io/fine-tuned-serving-with-merged-weights"
ACCELERATOR_CLASS = "ome.io/accelerator-class"
METRICS = "ome.io/metrics"
VOLCANO_QUEUE = "ome.io/volcano-queue"
DEDICATED_AI_CLUSTER = "ome.io/dedicated-ai-cluster"
KUEUE_ENABLED = "kueue-enabled"
VOLCANO = "volcano"
KEDA_PREFIX = "autoscaling.keda.sh/"

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_STAY_ON_THE_SERVICE = frozenset(
    {
        "autoscaling.knative.dev/min-scale",
        "autoscaling.knative.dev/max-scale",
        "internal.ome.io/storage-initializer-sourceuri",
        LAST_APPLIED,
    }
)
_READ_BY_OME = frozenset({KUEUE_ENABLED, VOLCANO})
_DOMAINS_READ_BY_OME = frozenset(
    {"ome.io", "autoscaling.keda.sh", "serving.knative.dev", "serving.knative.openshift.io"}
)

INGRESS_DOMAIN_TEMPLATE = "ome.io/ingress-domain-template"
LOAD_BALANCERS = ("service.beta.kubernetes.io/", "cloud.google.com/", "service.kubernetes.io/")
"""What an external Service carries of its service's annotations (ome.md 11.7)."""
_READ_BY_WAYS_IN = (
    *LOAD_BALANCERS,
    "networking.gke.io/",
    "kubernetes.io/ingress",
    "ingress.kubernetes.io/",
    "cert-manager.io/",
    "external-dns.alpha.kubernetes.io/",
)
"""Controllers of load balancers, ingresses, certificates and host names are told things on Services and Ingresses."""
_MEANT_FOR_GROUPS = (f"{RBG_PREFIX}group-", f"{RBG_PREFIX}role-")
"""RBG's own of a RoleBasedGroup and its roles (rbg.md 6), refused on a service: so their removal has to be noticed."""


def reaches_pods_at_once(key: str) -> bool:
    """Whether OME or one of its webhooks acts on the annotation: a change is a template change."""
    domain, slash, _ = key.rpartition("/")
    if not slash:
        return key in _READ_BY_OME
    return key not in _STAY_ON_THE_SERVICE and (domain in _DOMAINS_READ_BY_OME or domain.endswith(".ome.io"))


def acts_on_annotation(key: str) -> bool:
    """Whether a change of the service's annotation starts a run: OME's keys, omeflow's own, those that say how the
    service is reached, which restart nothing, and those that are refused.

    Any other annotation rides along with the next real change.
    """
    return (
        reaches_pods_at_once(key)
        or key.startswith((PREFIX, *_READ_BY_WAYS_IN, *_MEANT_FOR_GROUPS))
        or key.rpartition("/")[0].endswith(".ingress.kubernetes.io")
    )


def propagated(annotations: dict[str, str]) -> dict[str, str]:
    """The annotations of a service that its components carry (ome.md 8.4, step 1)."""
    return {key: value for key, value in annotations.items() if key not in _STAY_ON_THE_SERVICE}
