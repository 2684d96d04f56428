"""Whatever is edited and scaled while pods come and go: the group ends where it should, within its budget."""

from collections import Counter

from clusters.in_memory import NAMESPACE
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from rbg_in_memory import GroupInMemory

from omeflow.kube.request import Object
from omeflow.local.rbg import wire
from omeflow.local.simulation.objects import is_true, labels_of, terminating
from omeflow.local.simulation.state import Key

ROLES = ("engine", "decoder")


class GroupUnderEdits(RuleBasedStateMachine):
    """Two roles, a standalone one and a leader with a worker, both with adapters."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = GroupInMemory()
        self.image = dict.fromkeys(ROLES, "model:1")
        self.mode = dict.fromkeys(ROLES, "a")
        self.unavailable = dict.fromkeys(ROLES, 1)
        self.wish = dict.fromkeys(ROLES, 2)
        self.present = set(ROLES)
        self._apply(counts=True)
        self.cluster.settle()

    @rule(role=st.sampled_from(ROLES), image=st.sampled_from(["model:1", "model:2", "model:3"]))
    def edit_image(self, role: str, image: str) -> None:
        self.image[role] = image
        self._apply()

    @rule(role=st.sampled_from(ROLES), mode=st.sampled_from(["a", "b"]))
    def edit_environment(self, role: str, mode: str) -> None:
        self.mode[role] = mode
        self._apply()

    @rule(role=st.sampled_from(ROLES), budget=st.integers(1, 3))
    def edit_budget(self, role: str, budget: int) -> None:
        self.unavailable[role] = budget
        self._apply()

    @rule(role=st.sampled_from(ROLES), replicas=st.integers(0, 5))
    def scale(self, role: str, replicas: int) -> None:
        if self.cluster.scale(role, replicas):
            self.wish[role] = replicas

    @precondition(lambda self: "decoder" in self.present)
    @rule()
    def remove_decoder(self) -> None:
        self.present.discard("decoder")
        self._apply()
        self.cluster.settle()  # a role that is back before anybody looked was never away

    @precondition(lambda self: "decoder" not in self.present)
    @rule()
    def add_decoder(self) -> None:
        self.present.add("decoder")
        self.wish["decoder"] = 2
        self._apply(counts=True)

    @rule(steps=st.integers(1, 20))
    def work(self, steps: int) -> None:
        for _ in range(steps):
            self.cluster.step()

    @rule(data=st.data())
    def run_some_pods(self, data: st.DataObject) -> None:
        for name in self.cluster.pods():
            if data.draw(st.booleans(), label=name):
                self.cluster.run_pod(name)

    @rule(seconds=st.floats(0.0, 20.0))
    def wait(self, seconds: float) -> None:
        self.cluster.now += seconds

    @invariant()
    def instances_have_the_names_of_their_ordinals(self) -> None:
        for name, pod in self.cluster.pods().items():
            assert name.startswith(labels_of(pod)[wire.INSTANCE_NAME])

    def teardown(self) -> None:
        """It settles; then nothing is left to do, unless a rollout was turned back half-way (see `workload`)."""
        self.cluster.settle()
        self._delete_leftovers()
        for role in self.present:
            workload = self.cluster.workload(role)
            status, wanted = workload["status"], self.wish[role]
            assert status["currentRevision"] == status["updateRevision"]
            assert workload["spec"]["replicas"] == wanted
            counted = {status[key] for key in ("replicas", "readyReplicas", "updatedReplicas", "updatedReadyReplicas")}
            assert counted == {wanted}
            assert status["observedGeneration"] == workload["metadata"]["generation"]
            pods = self.cluster.pods_of(role)
            assert len(pods) == wanted * (2 if role == "decoder" else 1)
            assert all(pod["spec"]["containers"][0]["image"] == self.image[role] for pod in pods.values())
            assert all({"name": "MODE", "value": self.mode[role]} in _variables(pod) for pod in pods.values())
            assert all(is_true(pod, "Ready") for pod in pods.values())
            self._the_adapter_has_its_way(role)
        assert not any(self.cluster.pods_of(role) for role in ROLES if role not in self.present)

    def _the_adapter_has_its_way(self, role: str) -> None:
        group = self.cluster.find("RoleBasedGroup", "chat")
        adapter = self.cluster.find("RoleBasedGroupScalingAdapter", f"chat-{role}")
        assert group is not None
        assert adapter is not None
        stored = {each["name"]: each["replicas"] for each in group["spec"]["roles"]}
        assert adapter["spec"]["replicas"] == stored[role] == self.wish[role]

    def _delete_leftovers(self) -> None:
        for role in self.present:
            update = self.cluster.workload(role)["status"]["updateRevision"]
            for key, obj in list(self.cluster.objects.items()):
                left = key.kind == "RoleInstance" and labels_of(obj)[wire.ROLE_NAME] == role
                if left and labels_of(obj)[wire.REVISION_HASH] != update:
                    self.cluster.delete(Key("RoleInstance", NAMESPACE, key.name))
        self.cluster.settle()

    def _apply(self, *, counts: bool = False) -> None:
        roles = [self._role(role) for role in ROLES if role in self.present]
        held = self.cluster.find("RoleBasedGroup", "chat")
        known = {role["name"] for role in held["spec"]["roles"]} if held else set()
        self.cluster.apply_group(
            [role | ({"replicas": 2} if counts and role["name"] not in known else {}) for role in roles]
        )

    def _role(self, name: str) -> Object:
        container = {"name": "main", "image": self.image[name], "env": [{"name": "MODE", "value": self.mode[name]}]}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        pattern: Object = {"standalonePattern": {"template": template}}
        if name == "decoder":
            pattern = {"leaderWorkerPattern": {"size": 2, "template": template}}
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": self.unavailable[name]}}
        return {"name": name, "scalingAdapter": {"enable": True}, "rolloutStrategy": strategy} | pattern


def _variables(pod: Object) -> list[Object]:
    return list(pod["spec"]["containers"][0]["env"])


WITHOUT_EXPLANATIONS = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
GroupUnderEdits.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, phases=WITHOUT_EXPLANATIONS
)
TestGroupUnderEdits = GroupUnderEdits.TestCase


@settings(max_examples=40, deadline=None, phases=WITHOUT_EXPLANATIONS)
@given(
    replicas=st.integers(1, 5),
    budget=st.integers(1, 3),
    pods_per_instance=st.integers(1, 2),
    recreate=st.booleans(),
    data=st.data(),
)
def test_a_rollout_keeps_its_budget_whatever_the_order_of_events(
    replicas: int, budget: int, pods_per_instance: int, recreate: bool, data: st.DataObject
) -> None:
    cluster = GroupInMemory()
    cluster.apply_group([rolling("model:1", "a", replicas, budget, pods_per_instance)])
    cluster.settle()
    cluster.apply_group([rolling("model:2", "b" if recreate else "a", replicas, budget, pods_per_instance)])

    for _ in range(60):
        if data.draw(st.booleans(), label="step"):
            cluster.step()
        elif pods := list(cluster.pods()):
            cluster.run_pod(data.draw(st.sampled_from(pods), label="pod"))
        serving = Counter(
            labels_of(pod)[wire.INSTANCE_NAME]
            for pod in cluster.pods().values()
            if is_true(pod, "Ready") and not terminating(pod)
        )
        whole = sum(1 for ready in serving.values() if ready == pods_per_instance)
        assert replicas - whole <= budget

    cluster.settle()
    images = {pod["spec"]["containers"][0]["image"] for pod in cluster.pods().values()}
    assert images == {"model:2"}


def rolling(image: str, mode: str, replicas: int, budget: int, pods_per_instance: int) -> Object:
    container = {"name": "main", "image": image, "env": [{"name": "MODE", "value": mode}]}
    template = {"metadata": {}, "spec": {"containers": [container]}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": budget}}
    pattern: Object = {"standalonePattern": {"template": template}}
    if pods_per_instance > 1:
        pattern = {"leaderWorkerPattern": {"size": pods_per_instance, "template": template}}
    return {"name": "engine", "replicas": replicas, "rolloutStrategy": strategy} | pattern
