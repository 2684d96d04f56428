"""Events on the InferenceService, for those who read `kubectl describe`."""

from activities.records import now
from omeflow.api.errors import Conflict, Forbidden, NotFound
from omeflow.api.kinds import EVENT, INFERENCE_SERVICE
from omeflow.api.rollouts import InferenceRollout
from omeflow.kube.client import Cluster

LONGEST = 1_000
"""Characters of a message that the API server accepts (1,024 bytes, minus what an ellipsis takes)."""


async def tell(cluster: Cluster, record: InferenceRollout, *, reason: str, message: str, warning: bool) -> None:
    """One Event per attempt and reason: told twice, it is there once."""
    moment = now()
    namespace, spec = record.metadata["namespace"], record.spec
    event = {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": f"{record.name}.{reason.lower()}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": INFERENCE_SERVICE.api_version,
            "kind": INFERENCE_SERVICE.name,
            "name": spec.service,
            "namespace": namespace,
            "uid": spec.service_uid,
        },
        "reason": reason,
        "message": message[:LONGEST],
        "type": "Warning" if warning else "Normal",
        "source": {"component": "omeflow"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
    try:
        await cluster.create(event)
    except (Conflict, NotFound, Forbidden):
        return  # already told, or the namespace is going away, or the operator does not want Events
