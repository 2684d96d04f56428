"""The model that a service serves (ome.md 3), and what pods need to know of it."""

from dataclasses import dataclass

from omeflow.api.errors import BaseModelNotFound, BaseModelNotReady, Invalid, NotServed
from omeflow.api.kinds import CLUSTER_BASE_MODEL
from omeflow.api.names import dns_label, truncate
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues
from omeflow.components.shape import model_problem
from omeflow.components.types import Json


@dataclass(frozen=True, slots=True)
class Model:
    """A base model, read for what the components need."""

    values: ObjectValues

    @property
    def name(self) -> str:
        return self.values.name

    @property
    def spec(self) -> Json:
        return self.values.spec

    @property
    def format(self) -> Json:
        return self.spec.get("modelFormat") or {}

    @property
    def vendor(self) -> str:
        return self.spec.get("vendor") or ""

    @property
    def path(self) -> str | None:
        """Where nodes keep it; without a path pods get neither volume nor mount nor MODEL_PATH (ome.md 8.6)."""
        return (self.spec.get("storage") or {}).get("path") or None

    @property
    def volume(self) -> str:
        """Name of its volume: the model's, made a DNS label where it is none (ome.md 16.66)."""
        return dns_label(self.name.replace(".", "-"))

    @property
    def node_label(self) -> str:
        """The label of nodes that have it, with value Ready (ome.md 8.2)."""
        if self.values.namespace is None:
            return f"models.ome.io/clusterbasemodel.{truncate(self.name, 32)}"
        namespace, name = self.values.namespace, self.name
        if len(namespace.encode()) + len(name.encode()) > 38:
            room = min(len(namespace.encode()), 8)
            namespace, name = truncate(namespace, room), truncate(name, 38 - room)
        return f"models.ome.io/{namespace}.basemodel.{name}"

    def __str__(self) -> str:
        return str(self.values)


def resolve_model(inputs: Inputs, *, service: ServiceValues) -> Model:
    """The model that spec.model.name refers to (ome.md 3).

    Args:
        service: the service with its defaults.

    Raises:
        Invalid: the service names no model, or the model has no format, or a field that is not of its type.
        BaseModelNotReady: the model is disabled.
        BaseModelNotFound: there is no model of that name.
        NotServed: the cluster does not serve models.
    """
    name = (service.spec.get("model") or {}).get("name")
    if not name:
        raise Invalid("spec.model.name is not set: name the BaseModel or ClusterBaseModel to serve")
    if inputs.model is None:
        if CLUSTER_BASE_MODEL.name in inputs.not_served:
            raise NotServed(
                f"spec.model.name refers to {name!r}, but the cluster does not serve ClusterBaseModel: "
                "install OME's CRDs"
            )
        raise BaseModelNotFound(
            f'spec.model.name refers to model "{name}", which exists neither as BaseModel in namespace '
            f"{service.namespace} nor as ClusterBaseModel: create it, or name another"
        )
    model = Model(inputs.model)
    if model.spec.get("disabled"):
        raise BaseModelNotReady(f"spec.model.name refers to {model}, which is disabled: enable it, or name another")
    if problem := model_problem(model.spec):
        raise Invalid(f"spec.model.name refers to {model}: {problem}; correct it there")
    if not model.format.get("name"):
        raise Invalid(f"spec.model.name refers to {model}, which has no spec.modelFormat.name: set it there")
    return model
