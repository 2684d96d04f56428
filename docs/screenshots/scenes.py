"""What happens in the pictures: services of examples/ on a local cluster, each brought to the moment that is shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from shooting import Camera
from temporalio.client import Client

from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE, NAMESPACE, NODE, ROLLOUT_POLICY
from omeflow.api.names import ROLLOUT_POLICY as FOLLOWS
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.cli.console import progress
from omeflow.kube.client import Cluster
from omeflow.local.nodes import gpu_nodes, is_usable
from omeflow.local.readiness import until
from workers.temporal import DevServer
from workers.watching.queue import Service

Manifest = dict[str, Any]
EXAMPLES = Path(__file__).parents[2] / "examples"
PLACE = "demo"
MANAGER = "screenshots"
NEW, BROKEN = "0.5.0", "does-not-exist"
PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One service, and the camera before it."""

    cluster: Cluster
    temporal: DevServer
    client: Client
    camera: Camera
    name: str

    async def rollout(self) -> None:
        """An update, role by role; then one whose image nobody can pull."""
        await self._create("prefill-decode-router")
        await self._change_images("engine", "decoder", "router", tag=NEW)
        await self._converged(2)
        await self.camera.timeline(await self._run(), name="rollout")

        await self._change_images("engine", "decoder", "router", tag=BROKEN)
        await self._waits_for("ImagePullBackOff")
        await self.camera.details(await self._run(), text="ImagePullBackOff", name="waiting")

    async def order(self) -> None:
        """An update by a policy that turns the order round, and lets the decoders soak."""
        gates = [{"after": ["decoder"], "soak": {"duration": "2s"}}]
        await self._follow(order=[["decoder"], ["engine"], ["router"]], gates=gates)
        await self._create("prefill-decode-router")
        await self._change_images("engine", "decoder", "router", tag=NEW)
        await self._converged(2)
        await self.camera.timeline(await self._run(), name="order")

    async def ratio(self) -> None:
        """An update of decoders and engines in proportion."""
        await self._follow(ratio={"roles": {"decoder": 2, "engine": 1}, "maxSkew": 25})
        await self._create("prefill-decode-router", engine={"minReplicas": 4}, decoder={"minReplicas": 8})
        await self._change_images("engine", "decoder", tag=NEW)
        await self._converged(2)
        await self.camera.timeline(await self._run(), name="ratio")

    async def capacity(self) -> None:
        """An update that needs a GPU more than there are where its pods may go, until its deadline has passed."""
        await self._follow(capacityCheck=True, deadline="5s")
        selector = {"omeflow.io/pool": "small"}
        [node] = gpu_nodes(1, models=["llama-3-8b"], labels=selector, prefix="small", gpus=2)
        await self.cluster.create(node)
        await until(lambda: self._takes_pods(node["metadata"]["name"]), what="the small node", deadline=PATIENCE)
        await self._create("deployment-engine-router", engine={"nodeSelector": selector})
        await self._change_images("engine", tag=NEW)
        await self._waits_for("deadline passed")
        await self.camera.details(await self._run(), text="blocked", name="capacity")

    @staticmethod
    async def place(cluster: Cluster) -> None:
        """Make the namespace of all scenes."""
        await cluster.apply({"apiVersion": "v1", "kind": NAMESPACE.name, "metadata": {"name": PLACE}})

    async def _follow(self, **spec: Any) -> None:
        """A policy of the service's name, which it follows."""
        metadata = {"name": self.name, "namespace": PLACE}
        policy = {"apiVersion": ROLLOUT_POLICY.api_version, "kind": ROLLOUT_POLICY.name, "metadata": metadata}
        await self.cluster.apply({**policy, "spec": spec}, manager=MANAGER)

    async def _create(self, example: str, **components: Manifest) -> None:
        """The example's service under the scene's name, once it serves."""
        for manifest in yaml.safe_load_all((EXAMPLES / "models.yaml").read_text()):
            await self.cluster.apply(manifest, manager=MANAGER)
        service = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
        service["metadata"]["name"] = self.name
        if await self.cluster.find(ROLLOUT_POLICY, self.name, PLACE):
            service["metadata"]["annotations"][FOLLOWS] = self.name
        for role, changes in components.items():
            service["spec"][role] |= changes
        await self.cluster.apply(service, manager=MANAGER)
        await self._converged(1)

    async def _change_images(self, *roles: str, tag: str) -> None:
        serving = {"name": "ome-container", "image": f"registry.example/sglang:{tag}"}
        routing = {"name": "router", "image": f"registry.example/sglang-router:{tag}"}
        spec = {role: {"runner": routing if role == "router" else serving} for role in roles}
        await self.cluster.merge_patch(INFERENCE_SERVICE, self.name, PLACE, {"spec": spec}, manager=MANAGER)

    async def _converged(self, attempt: int) -> None:
        """Wait for the attempt's end, and for its run's: an edit before that would be taken up by the same run."""

        async def succeeded() -> bool:
            last = await self._last_attempt()
            return last is not None and last.spec.number == attempt and last.status.phase is Phase.SUCCEEDED

        await until(succeeded, what=f"attempt {attempt} of {self.name}", deadline=PATIENCE)
        progress(f"{self.name}: {await self.client.get_workflow_handle(self._workflow_id).result()}")

    async def _waits_for(self, words: str) -> None:
        """Until a condition of the service says that."""

        async def says() -> bool:
            status = (await self.cluster.get(INFERENCE_SERVICE, self.name, PLACE)).get("status") or {}
            return any(words in condition.get("message", "") for condition in status.get("conditions") or [])

        await until(says, what=f"{self.name} to say {words}", deadline=PATIENCE)

    async def _takes_pods(self, node: str) -> bool:
        return is_usable(await self.cluster.get(NODE, node))

    async def _run(self) -> str:
        """Address of the newest run."""
        described = await self.client.get_workflow_handle(self._workflow_id).describe()
        return f"{self.temporal.run_url(self._workflow_id)}/{described.run_id}"

    async def _last_attempt(self) -> InferenceRollout | None:
        found = await self.cluster.list(INFERENCE_ROLLOUT, PLACE)
        records = [
            record for one in found if (record := InferenceRollout.model_validate(one)).spec.service == self.name
        ]
        return max(records, key=lambda record: record.spec.number, default=None)

    @property
    def _workflow_id(self) -> str:
        return Service(PLACE, self.name).workflow_id
