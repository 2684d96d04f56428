"""The workflow with one step more than the recorded runs had, as a careless edit would make it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from omeflow.api import messages, steps
    from omeflow.api.runs import RunState
    from workflows.calls import step
    from workflows.rollout import InferenceServiceRollout


@workflow.defn(name=messages.WORKFLOW)
class IncompatibleRollout(InferenceServiceRollout):
    @workflow.init
    def __init__(self, state: RunState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: RunState) -> str:
        await step(steps.APPLY_RBAC, steps.StepRequest(), summary="a step that no recorded run has taken")
        return await super().run(state)
