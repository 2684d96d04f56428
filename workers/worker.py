"""The worker: runs workflows and steps. Any number of them may serve one queue; killing one costs seconds."""

from datetime import timedelta
from importlib.metadata import version

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.apply_shared import ApplyShared
from activities.apply_workload import ApplyWorkload
from activities.await_rollout import AwaitRollout
from activities.build_configs import BuildConfigs
from activities.check_capacity import CheckCapacity
from activities.check_gate import CheckGate
from activities.close_attempt import CloseAttempt
from activities.interceptor import StepInterceptor
from activities.prune import Prune
from activities.record_wait import RecordWait
from activities.records import Records
from activities.replace_stuck import ReplaceStuck
from activities.retrying import RetryingTold
from activities.select_strategy import SelectStrategy
from activities.warm_up import WarmUp
from omeflow.kube.client import Cluster
from strategies.manager import StrategyManager, default_manager
from workers.settings import Settings
from workflows.rollout import InferenceServiceRollout

STICKY = timedelta(seconds=3)
"""How long a task waits for the worker that knows its run before any other may take it."""
BUILD = f"omeflow-{version('omeflow')}"
"""What the UI shows as the worker's build."""
GRACE = timedelta(seconds=10)


def make_worker(
    client: Client, cluster: Cluster, settings: Settings, *, strategies: StrategyManager | None = None
) -> Worker:
    """A worker on the settings' queue; run it with `await worker.run()`."""
    manager = strategies or default_manager(cluster_domain=settings.cluster_domain)
    records = Records(cluster, renderer=manager.renderer)
    shared = ApplyShared(cluster, records)
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[InferenceServiceRollout],
        activities=[
            SelectStrategy(cluster, manager, records, settings.ome_namespace).run,
            BuildConfigs(cluster, manager, records).run,
            shared.rbac,
            WarmUp(cluster, manager, records).run,
            CheckCapacity(cluster, manager, records).run,
            ApplyWorkload(cluster, manager, records).run,
            shared.autoscalers,
            shared.exposure,
            AwaitRollout(cluster, manager, records).run,
            CheckGate().run,
            RecordWait(cluster, records).run,
            ReplaceStuck(cluster, manager, records).run,
            Prune(cluster, manager, records).run,
            CloseAttempt(cluster, records).run,
        ],
        build_id=BUILD,  # else the SDK reads the code of every imported module, which takes most of a second
        interceptors=[StepInterceptor(), RetryingTold(records)],
        # A quarter of the worker's CPU was the sandbox, which loads the workflow anew for each run. What it finds, it
        # finds in the tests of the workflow and in every replay: those run in it.
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=settings.concurrency,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=GRACE,
    )


def workflow_runner() -> SandboxedWorkflowRunner:
    """For tests and replays: the workflow's own file is checked for clocks and random numbers; imports are shared."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default)
