"""The runtime of a service: the one that it names, or the one that was selected for it (ome.md 4.1 and 4.2).

Which one is selected, and by what rules, is in `selection`, `compatibility` and `scoring`.
"""

from dataclasses import dataclass

from omeflow.api.errors import Invalid, NoSupportingRuntime, NotServed, RuntimeDisabled, RuntimeNotRecognized
from omeflow.api.kinds import CLUSTER_SERVING_RUNTIME
from omeflow.components.canonical import canonical
from omeflow.components.compatibility import incompatibility, required_accelerators
from omeflow.components.inputs import Inputs, ObjectValues, ServiceValues
from omeflow.components.models import Model
from omeflow.components.scoring import format_for_overrides
from omeflow.components.shape import runtime_problem
from omeflow.components.types import Json


@dataclass(frozen=True, slots=True)
class Runtime:
    """A serving runtime, read for what the components need.

    Attributes:
        reason: why it is this one, after its name: "named by the service".
        automatic: whether it was selected, and not named by the user.
    """

    values: ObjectValues
    reason: str = "named by the service"
    automatic: bool = False

    @property
    def name(self) -> str:
        return self.values.name

    def template(self, role: str) -> Json:
        """The runtime's template of a component in canonical form, empty if it has none (ome.md 6.1)."""
        field = f"{role}Config"
        return canonical(self.values.spec.get(field) or {}, path=f"{self}: spec.{field}")

    @property
    def legacy_containers(self) -> list[Json]:
        containers = self.values.spec.get("containers") or []
        return [canonical(one, path=f"{self}: spec.containers[{n}]") for n, one in enumerate(containers)]

    @property
    def legacy_node_selector(self) -> dict[str, str]:
        return self.values.spec.get("nodeSelector") or {}

    def accelerator_config(self, accelerator: str, model: Model) -> Json:
        """How the runtime is tuned for an accelerator class, empty if it is not (ome.md 4.6)."""
        element = format_for_overrides(self.values.spec, model.spec, automatic=self.automatic) or {}
        return ((element.get("acceleratorConfig") or {}).get(accelerator)) or {}

    def __str__(self) -> str:
        return str(self.values)


def resolve_runtime(inputs: Inputs, *, service: ServiceValues, model: Model) -> Runtime:
    """The runtime that spec.runtime.name refers to, if it can serve the model (ome.md 4.2), or the one selected.

    Args:
        service: the service with its defaults.

    Raises:
        Invalid: a field of the runtime is not of its type.
        RuntimeDisabled: it is.
        NoSupportingRuntime: the runtime does not fit, or none can be selected.
        RuntimeNotRecognized: there is no runtime of that name.
        NotServed: the cluster does not serve runtimes.
    """
    name = (service.spec.get("runtime") or {}).get("name")
    if inputs.runtime is None and CLUSTER_SERVING_RUNTIME.name in inputs.not_served:
        raise NotServed("spec.runtime: the cluster does not serve ClusterServingRuntime: install OME's CRDs")
    if not name:
        why = inputs.reasons.get("runtime", "no runtime has been selected")
        if inputs.runtime is None:
            raise NoSupportingRuntime(f"spec.runtime.name is not set, and {why}")
        return Runtime(inputs.runtime, why, automatic=True)
    if inputs.runtime is None:
        raise RuntimeNotRecognized(
            f'spec.runtime.name refers to runtime "{name}", which exists neither as ServingRuntime in namespace '
            f"{service.namespace} nor as ClusterServingRuntime: create it, or name another"
        )
    runtime = Runtime(inputs.runtime)
    if inputs.runtime.spec.get("disabled"):
        raise RuntimeDisabled(f"spec.runtime.name refers to {runtime}, which is disabled: enable it, or name another")
    if problem := runtime_problem(inputs.runtime.spec):
        raise Invalid(f"spec.runtime.name refers to {runtime}: {problem}; correct it there")
    accelerators = required_accelerators(service)
    if reason := incompatibility(inputs.runtime.spec, model=model.spec, accelerators=accelerators):
        raise NoSupportingRuntime(
            f"spec.runtime.name refers to {runtime}, which does not support {model}: {reason}; name a runtime that does"
        )
    return runtime
