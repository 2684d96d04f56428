"""What a service asks for to no effect is told with its attempt, because nobody expects what it leads to."""

from working import Service, Working

from omeflow.api.kinds import EVENT, INFERENCE_ROLLOUT, INFERENCE_SERVICE
from omeflow.api.names import DEPLOYMENT_MODE


async def test_a_misspelt_mode_is_told_in_an_event_and_in_the_record(service: Service, worker: Working) -> None:
    patch = {"metadata": {"annotations": {DEPLOYMENT_MODE: "RoleBasedGruop"}}}
    await service.cluster.merge_patch(INFERENCE_SERVICE, service.name, service.namespace, patch, manager="user")
    await worker.take_up(service, "run/1")
    said = (
        f"metadata.annotations[{DEPLOYMENT_MODE}] is 'RoleBasedGruop', which is no mode and counts as absent:"
        " the strategy is SingleComponent"
    )
    record = await service.cluster.get(INFERENCE_ROLLOUT, f"{service.name}-1", service.namespace)
    assert (record["spec"]["strategy"], said in record["spec"]["choices"]) == ("SingleComponent", True)
    events = await service.cluster.list(EVENT, service.namespace)
    assert [(one["reason"], one["type"], one["message"]) for one in events] == [("Ignored", "Warning", said)]
