"""Whatever is edited and scaled while pods come, crash and go: the set ends where it should, within its budget."""

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from lws_in_memory import NAME, SetInMemory

from omeflow.local.lws import wire
from omeflow.local.simulation.objects import is_true, labels_of, uid_of

IMAGES = ["model:1", "model:2", "model:3"]


class SetUnderEdits(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.cluster = SetInMemory()
        self.image, self.size, self.replicas = "model:1", 2, 2
        self.surge, self.down = 1, 1
        self._apply()
        self.cluster.settle()

    @rule(image=st.sampled_from(IMAGES))
    def edit_image(self, image: str) -> None:
        self.image = image
        self._apply()

    @rule(size=st.integers(1, 3))
    def edit_size(self, size: int) -> None:
        self.size = size
        self._apply()

    @rule(surge=st.integers(0, 2), down=st.integers(0, 2))
    def edit_budget(self, surge: int, down: int) -> None:
        self.surge, self.down = surge, max(down, 0 if surge else 1)
        self._apply()

    @rule(replicas=st.integers(0, 4))
    def scale(self, replicas: int) -> None:
        self.replicas = replicas
        self.cluster.scale(replicas)

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        running = [name for name, pod in self.cluster.pods().items() if pod.get("status")]
        if running:
            self.cluster.restart_container(data.draw(st.sampled_from(running)))

    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        if pods := list(self.cluster.pods()):
            self.cluster.evict(data.draw(st.sampled_from(pods)))

    @rule(steps=st.integers(1, 20))
    def work(self, steps: int) -> None:
        for _ in range(steps):
            self.cluster.step()

    @rule(data=st.data())
    def run_some_pods(self, data: st.DataObject) -> None:
        for name in self.cluster.pods():
            if data.draw(st.booleans(), label=name):
                self.cluster.run_pod(name)

    @invariant()
    def a_group_is_of_one_revision(self) -> None:
        """Of the workers that belong to a leader: those of a former one may still be on their way out."""
        pods = self.cluster.pods()
        leaders = {uid_of(pod): pod for pod in pods.values() if labels_of(pod)[wire.WORKER_INDEX] == "0"}
        for pod in pods.values():
            owner = pod["metadata"]["ownerReferences"][0]["uid"]
            if owner in leaders:
                assert labels_of(pod)[wire.REVISION] == labels_of(leaders[owner])[wire.REVISION]

    @invariant()
    def it_is_available_only_if_every_wanted_group_serves_at_the_newest_revision(self) -> None:
        held = self.cluster.find(wire.KIND, NAME)
        assert held is not None
        observed = (held.get("status") or {}).get("observedGeneration") == held["metadata"]["generation"]
        if observed and self.cluster.holds("Available"):
            wanted = held["spec"]["replicas"]
            assert min(self.cluster.status[count] for count in ("readyReplicas", "updatedReplicas")) >= wanted

    def teardown(self) -> None:
        """It settles; then nothing is left to do."""
        self.cluster.settle()
        pods = self.cluster.pods()
        assert len(pods) == self.replicas * self.size
        assert {pod["spec"]["containers"][0]["image"] for pod in pods.values()} <= {self.image}
        assert all(is_true(pod, "Ready") for pod in pods.values())
        counted = {self.cluster.status[key] for key in ("replicas", "readyReplicas", "updatedReplicas")}
        assert counted == {self.replicas}
        assert self.cluster.holds("Available")
        assert len({labels_of(each)[wire.REVISION] for each in self.cluster.revisions()}) == 1
        held = self.cluster.find(wire.KIND, NAME)
        assert held is not None
        assert self.cluster.status["observedGeneration"] == held["metadata"]["generation"]

    def _apply(self) -> None:
        self.cluster.apply(self.image, size=self.size, surge=self.surge, down=self.down, replicas=self.replicas)


TestSetUnderEdits = SetUnderEdits.TestCase
TestSetUnderEdits.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, phases=[Phase.explicit, Phase.generate]
)


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    replicas=st.integers(1, 4),
    size=st.integers(1, 3),
    budget=st.sampled_from([(0, 1), (1, 0), (1, 1), (2, 1), (0, 2)]),
    data=st.data(),
)
def test_a_rollout_keeps_its_budget(replicas: int, size: int, budget: tuple[int, int], data: st.DataObject) -> None:
    """At every moment, as many groups serve as may be relied on, and no more pods exist than surge allows."""
    surge, down = budget
    cluster = SetInMemory()
    cluster.apply("model:1", size=size, surge=surge, down=down, replicas=replicas)
    cluster.settle()
    cluster.apply("model:2", size=size, surge=surge, down=down)
    for _ in range(2000):
        if not cluster.step():
            pods = list(cluster.pods())
            cluster.run_pod(data.draw(st.sampled_from(pods)))
        assert cluster.ready_groups() >= replicas - down
        assert len(cluster.pods()) <= (replicas + min(surge, replicas)) * size
        if cluster.holds("Available") and cluster.status["observedGeneration"] == 2:
            break
    cluster.settle()
    assert set(cluster.images().values()) == {"model:2"}
    assert len(cluster.pods()) == replicas * size
