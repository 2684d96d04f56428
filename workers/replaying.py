"""Recorded runs against the present workflow: whether what is open in a cluster survives an upgrade.

The same workflow, sandbox and data converter as the worker's, and no server. Tests replay the recorded histories with
it, `omeflow replay --offline` those that somebody has downloaded.
"""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Replayer, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.workflow import NondeterminismError

from omeflow.api.errors import Invalid
from workers.worker import workflow_runner
from workflows.rollout import InferenceServiceRollout

PATIENCE = 60.0
"""Seconds for one history; a long one takes one."""
_SAID = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
_RECORDED = re.compile(r"(?:scheduled event|of event|event id) '?([\w-]+)'?")


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a recorded run fared. `difference`: where it and the present code part; empty if they do not."""

    name: str
    events: int
    difference: str = ""


def read_history(path: Path) -> WorkflowHistory:
    """A history as the UI downloads it, or as `temporal workflow show --output json` prints it.

    Raises:
        Invalid: the file is something else.
    """
    try:
        content = orjson.loads(path.read_bytes())
        history = WorkflowHistory.from_json(path.stem, content if isinstance(content, dict) else {})
    except (OSError, ValueError, KeyError) as error:
        raise Invalid(f"{path} is not a history of a workflow run: {error}") from None
    if not history.events or not history.events[0].HasField("workflow_execution_started_event_attributes"):
        raise Invalid(f"{path} is not a history of a workflow run: its first event is not WorkflowExecutionStarted")
    return history


async def replay(
    history: WorkflowHistory,
    converter: DataConverter,
    *,
    workflow: type[InferenceServiceRollout] = InferenceServiceRollout,
) -> Replayed:
    """Run a history through a workflow.

    Args:
        converter: the worker's.
        workflow: another one than the present one, for tests.
    """
    name = history.workflow_id
    watching = _Watching()
    quiet = Runtime(telemetry=TelemetryConfig(logging=None))  # it logs to standard output
    replayer = Replayer(workflows=[workflow], workflow_runner=watching, data_converter=converter, runtime=quiet)
    try:
        async with asyncio.timeout(PATIENCE):
            await replayer.replay_workflow(history)
    except NondeterminismError as error:
        return Replayed(name, len(history.events), _difference(history, watching.reached, str(error)))
    except (RuntimeError, TimeoutError) as error:
        said = _said(str(error)) or f"not replayed within {PATIENCE:.0f} s: is the history complete?"
        return Replayed(name, len(history.events), said)
    return Replayed(name, len(history.events))


class _Watching(WorkflowRunner):
    """The worker's sandbox, and how far into the history the workflow has come."""

    def __init__(self) -> None:
        self._inner = workflow_runner()
        self.reached = 0

    def prepare_workflow(self, defn: Any) -> None:
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = self._inner.create_instance(det)
        activate = instance.activate

        def noting(activation: Any) -> Any:
            self.reached = max(self.reached, activation.history_length)
            return activate(activation)

        instance.activate = noting  # type: ignore[method-assign,assignment]
        return instance


def _difference(history: WorkflowHistory, reached: int, error: str) -> str:
    """The event after the last workflow task that the present code took up, and what it did instead."""
    said = _said(error)
    named = _RECORDED.search(said)
    later = [event for event in history.events if event.event_id > reached]
    fitting = [event for event in later if named and named[1] in (str(event.event_id), _step(event))]
    first = (fitting or later or list(history.events))[0]
    kind = EventType.Name(first.event_type)
    title = "".join(word.capitalize() for word in kind.removeprefix("EVENT_TYPE_").split("_"))
    step = f" {_step(first)}" if _step(first) else ""
    return f"event {first.event_id} ({title}{step}): {said}"


def _step(event: Any) -> str:
    return str(event.activity_task_scheduled_event_attributes.activity_type.name)


def _said(error: str) -> str:
    found = _SAID.search(error)
    return (found[1].replace("\\'", "'").replace('\\"', '"') if found else error).removeprefix("[TMPRL1100] ")
