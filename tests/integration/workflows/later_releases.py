"""Releases that come while a run is open: one that changes the story by a patch, the next one, and a careless one.

The change is a step before each wait. Plans of these tests ask for no exposure, so every `apply-exposure` is that step.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from omeflow.api import messages, steps
    from omeflow.api.runs import Rollout, RunState
    from omeflow.api.steps import Stage
    from workflows.rollout import InferenceServiceRollout

PATCH = "exposure-before-a-wait"


@workflow.defn(name=messages.WORKFLOW)
class Patched(InferenceServiceRollout):
    """Runs that have come to their wait go on without the step; all others take it."""

    @workflow.init
    def __init__(self, state: RunState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: RunState) -> str:
        return await super().run(state)

    async def _await(self, rollout: Rollout, stage: Stage, index: int) -> bool:
        if workflow.patched(PATCH):
            await self._do(steps.APPLY_EXPOSURE, rollout, "by a patch")
        return await super()._await(rollout, stage, index)


@workflow.defn(name=messages.WORKFLOW)
class Settled(InferenceServiceRollout):
    """One release later: no run of before the patch is left."""

    @workflow.init
    def __init__(self, state: RunState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: RunState) -> str:
        return await super().run(state)

    async def _await(self, rollout: Rollout, stage: Stage, index: int) -> bool:
        workflow.deprecate_patch(PATCH)
        await self._do(steps.APPLY_EXPOSURE, rollout, "by a patch that all runs have")
        return await super()._await(rollout, stage, index)


@workflow.defn(name=messages.WORKFLOW)
class Careless(InferenceServiceRollout):
    """Another first step, and no patch: this code fits no open run."""

    @workflow.init
    def __init__(self, state: RunState) -> None:
        super().__init__(state)

    @workflow.run
    async def run(self, state: RunState) -> str:
        await self._do(steps.APPLY_RBAC, state.rollout or Rollout(), "a step that no run has taken")
        return await super().run(state)
