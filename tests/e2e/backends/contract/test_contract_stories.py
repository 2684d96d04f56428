"""The contract of every backend: each story is told with Deployments, LeaderWorkerSets and RoleBasedGroups.

After each, all that the API server stored in it is judged, write by write.

OMEFLOW_CONTRACT=all tells each story with every backend; else with one of them.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from clusters.backends import Backend
from clusters.pools import Pool
from contract_story import MODEL, Begin, Story, usual
from kubernetes.aio import client, config
from pods_seen import eventually
from story_service import BACKENDS, DEPLOYMENT, LWS, RBG, SOMEBODY

from omeflow.api import kinds
from omeflow.api.errors import OmeflowError
from omeflow.api.kinds import Kind
from omeflow.api.messages import ROLLBACK
from omeflow.api.names import ENGINE, ROUTER
from omeflow.api.rollouts import Phase
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object
from omeflow.local.nodes import GPUS
from omeflow.local.processes import ManagedProcess
from omeflow.local.simulation.objects import terminating, uid_of
from omeflow.local.stages import UNPULLABLE_TAG

ALL = os.environ.get("OMEFLOW_CONTRACT") == "all"
BROKEN = f"v2:{UNPULLABLE_TAG}"
UNHEARD = {
    RBG: "the RBG controller has not handed attempt 2",
    DEPLOYMENT: "has not been observed by its controller yet",
    LWS: "has not been observed by its controller yet",
}
"""Why a rollout waits whose controller is gone."""
WORKLOADS = {
    RBG: (kinds.ROLE_BASED_GROUP, "chat"),
    DEPLOYMENT: (kinds.DEPLOYMENT, "chat-engine"),
    LWS: (kinds.LEADER_WORKER_SET, "lws-chat-engine"),
}
SILENT = "silent.omeflow.test"
DOWN = 60.0 if ALL else 3.0
"""Seconds for which a backend's controller is gone."""


def every_backend(*, shortly: str) -> pytest.MarkDecorator:
    """Args: shortly: the backend that tells the story if nobody asks for all of them."""
    return pytest.mark.parametrize("backend", BACKENDS if ALL else [shortly])


@every_backend(shortly=LWS)
async def test_create(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    [stage] = story.attempt(1).status.stages
    assert stage.roles == [ENGINE, ROUTER]
    await story.judged()


@every_backend(shortly=RBG)
async def test_an_image_edit(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    await story.give_image("v2", ENGINE, ROUTER)
    record = await story.ended(2)
    assert [stage.name for stage in record.status.stages] == [ENGINE, ROUTER]
    await story.judged()


@every_backend(shortly=DEPLOYMENT)
async def test_an_env_edit(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    before = uids(story, ENGINE)
    await story.ask(story.spec.edited(ENGINE, level="debug"))
    await story.ended(2)
    assert not before & uids(story, ENGINE)
    await story.judged()


@every_backend(shortly=RBG)
async def test_a_second_edit_in_the_middle(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    await story.give_image("v2", ENGINE, ROUTER)
    await story.pods_run("v2")
    await story.give_image("v3", ENGINE)
    await story.ended(2, Phase.SUPERSEDED)
    await story.ended(3)
    await story.judged()


@every_backend(shortly=RBG)
async def test_a_revert_in_the_middle(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    routers = uids(story, ROUTER)
    await story.give_image("v2", ENGINE, ROUTER)
    await story.pods_run("v2")
    await story.give_image("v1", ENGINE, ROUTER)
    await story.ended(2, Phase.SUPERSEDED)
    await story.ended(3)
    assert uids(story, ROUTER) == routers
    await story.judged()


@every_backend(shortly=DEPLOYMENT)
async def test_a_bad_image_and_then_its_fix(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    await story.give_image(BROKEN, ENGINE, ROUTER)
    await story.waits(2, "stage engine", f"ImagePullBackOff {BROKEN}")
    assert story.instances(ENGINE, ready=True)["v1"] >= story.spec.roles[ENGINE].minimum - 1
    await story.give_image("v3", ENGINE, ROUTER)
    await story.ended(2, Phase.SUPERSEDED)
    await story.ended(3)
    await story.judged()


@every_backend(shortly=LWS)
async def test_a_scale_in_the_middle(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend, scaled_by=SOMEBODY))
    await story.begin_to_scale(ENGINE)
    await story.give_image("v2")
    await story.pods_run("v2")
    await story.scale(ENGINE, 4)
    await story.ended(2)
    await story.pods_run("v2", 4, ready=True)
    await story.scale(ENGINE, 1)
    await story.stream.until(
        lambda: len(story.pods(ENGINE)) == story.spec.roles[ENGINE].nodes, what="one instance left"
    )
    await story.judged()


@every_backend(shortly=RBG)
async def test_a_role_that_is_removed(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    engines = uids(story, ENGINE)
    await story.ask(story.spec.without(ROUTER))
    await story.ended(2)
    await story.stream.until(lambda: not story.pods(ROUTER), what="no router left")
    assert uids(story, ENGINE) == engines
    await story.judged()


@every_backend(shortly=LWS)
async def test_no_capacity(begin: Begin, pool: Pool, backend: str) -> None:
    """A stage that has no room for its surge waits before its first write; once there is some, an edit goes through."""
    story = await without_a_spare_gpu(begin, pool, backend, unavailable=0, policy={"capacityCheck": True})
    nodes = story.spec.roles[ENGINE].nodes
    await story.ask(story.spec.edited(ENGINE, level="debug"))
    await story.waits(2, "capacity for engine", "1 nvidia.com/gpu for 1 more pod of engine: 0 are free")
    assert story.instances(ENGINE, ready=True)["v1"] == 2
    await pool.add(gpus=nodes)
    await story.give_image("v2")
    await story.ended(2, Phase.SUPERSEDED)
    await story.ended(3)
    await story.judged()


@every_backend(shortly=RBG)
async def test_no_capacity_and_a_policy_that_does_without_a_surge(begin: Begin, pool: Pool, backend: str) -> None:
    policy = {"capacityCheck": True, "onNoCapacity": "NoSurge"}
    story = await without_a_spare_gpu(begin, pool, backend, unavailable=1, policy=policy)
    await story.ask(story.spec.edited(ENGINE, level="debug"))
    record = await story.ended(2)
    [stage] = record.status.stages
    assert stage.note is not None
    assert stage.note.startswith("without a surge of engine for want of 1 nvidia.com/gpu for 1 more pod of engine: 0")
    await story.judged()


@every_backend(shortly=DEPLOYMENT)
async def test_a_pause_and_its_end(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    await story.give_image(BROKEN)
    await story.waits(2, "stage engine", BROKEN)
    await story.rollout("pause")
    await story.give_image("v3", ENGINE, ROUTER)
    await story.waits(3, "paused", "omeflow rollout resume", endless=True)
    assert "before stage engine" in story.told()
    assert story.instances(ENGINE)["v3"] == 0
    await story.rollout("resume")
    await story.ended(3)
    await story.judged()


@every_backend(shortly=LWS)
async def test_a_rollback(begin: Begin, backend: str) -> None:
    story = await begin(usual(backend))
    before = story.spec
    await story.give_image(BROKEN)
    await story.pods_run(BROKEN)
    await story.rollout("rollback")
    record = await story.ended(3)
    assert record.spec.cause == ROLLBACK
    story.spec = before
    await story.judged()


@every_backend(shortly=DEPLOYMENT)
async def test_a_controller_that_is_gone_for_a_while(
    begin: Begin, controller: Backend | ManagedProcess, backend: str
) -> None:
    story = await begin(usual(backend))
    await controller.stop()
    try:
        await story.give_image("v2")
        if backend == LWS and isinstance(controller, Backend) and controller.real:
            # Its webhook would have to answer: the write is refused, and tried again.
            await story.stream.until(lambda: "failed calling webhook" in story.told(), what="the wait")
        else:
            await story.waits(2, "stage engine", UNHEARD[backend])
        await asyncio.sleep(DOWN)
    finally:
        await controller.start()
    await story.ended(2)
    await story.judged()


@every_backend(shortly=RBG)
async def test_a_webhook_that_does_not_answer(begin: Begin, backend: str) -> None:
    """The workload cannot be written for a while: the wait says what the API server says, and ends with it."""
    story = await begin(usual(backend))
    async with refusing(story, *WORKLOADS[backend]):
        await story.give_image("v2")
        said = "attempt 2, stage engine: "
        await story.stream.until(lambda: story.told().startswith(said) and SILENT in story.told(), what="the wait")
        assert "(until " in story.told()
    await story.ended(2)
    await story.judged()


# ── tools ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest_asyncio.fixture(loop_scope="session")
async def pool(cluster: Cluster, namespace: str) -> AsyncIterator[Pool]:
    async with Pool.of(cluster, namespace, model=MODEL) as made:
        yield made


async def without_a_spare_gpu(begin: Begin, pool: Pool, backend: str, *, unavailable: int, policy: Object) -> Story:
    """Two engines serve, which take every GPU that there is; an update surges by one.

    Args:
        unavailable: how many of them an update may take away, where the backend is told so.
    """
    spec = usual(backend)
    spec = spec.edited(ENGINE, minimum=2, bounds=None if backend == LWS else (unavailable, 1))
    story = await begin(spec, created=False)
    await pool.add(gpus=2 * spec.roles[ENGINE].nodes)
    await story.follow(policy)
    story.adorn = lambda manifest: on_gpus(manifest, pool)
    await story.ask(spec)
    await story.ended(1)
    return story


def on_gpus(manifest: Object, pool: Pool) -> None:
    """Each pod of the engine takes a GPU of that pool."""
    engine = manifest["spec"][ENGINE]
    for part in (engine[part] for part in ("leader", "worker")) if "leader" in engine else (engine,):
        part["nodeSelector"] = pool.selector
        part["runner"]["resources"] = {"limits": {GPUS: "1"}}


def uids(story: Story, role: str) -> set[str]:
    """Of pods that stay: one on its way out may still be there when its rollout has ended."""
    return {uid_of(pod) for pod in story.pods(role) if not terminating(pod)}


@asynccontextmanager
async def refusing(story: Story, kind: Kind, name: str) -> AsyncIterator[None]:
    """The API server asks somebody about every write of that kind in the story's namespace, and nobody answers."""
    rule = {"apiGroups": [kind.group], "apiVersions": [kind.version], "operations": ["UPDATE"]}
    webhook = {
        "name": SILENT,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [rule | {"resources": [kind.plural]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": story.namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }

    async def label() -> str:
        """What the server says to a write that changes nothing of importance."""
        try:
            await story.cluster.merge_patch(kind, name, story.namespace, {"metadata": {"labels": {"probed": "yes"}}})
        except OmeflowError as error:
            return str(error)
        return ""

    await config.load_kube_config(config_file=str(story.settings.kubeconfig))
    async with client.ApiClient() as connection:
        api = client.AdmissionregistrationV1Api(connection)
        body = {"metadata": {"name": story.namespace}, "webhooks": [webhook]}
        await api.create_validating_webhook_configuration(body)
        try:
            await eventually(label, lambda said: SILENT in said, what="the webhook in force")
            yield
        finally:
            await api.delete_validating_webhook_configuration(story.namespace)
