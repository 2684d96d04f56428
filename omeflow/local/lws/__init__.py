"""A simulated LeaderWorkerSet controller, for local clusters only.

It does what omeflow relies on in the real one (other-workloads.md 2): groups of a leader and its workers with their
labels and variables, rolling updates with partition, surge and a budget of unavailable groups, recreation of whole
groups, revisions, and status with the selector for autoscalers. `tests/e2e/backends/lws/` holds it to that. The machine
is pure (objects and time in, writes out); `driver` connects it to an API server.

Where the real controller makes StatefulSets, whose controller makes the pods, it makes the pods itself, by the same
rules: a leader belongs to the LeaderWorkerSet, a worker to its leader. Of the leaders' StatefulSet there are the
labels, which say the newest revision; of the workers' there is nothing. It leaves out subgroups, exclusive topology,
volume claims, gangs, TPUs, DisaggregatedSets, and the webhooks' validation beyond the schema. How far a rollout may go
is a function of what is there: the real one remembers its last answer, and can stay at it (docs/troubleshooting.md).
"""

from omeflow.local.lws.driver import simulated_lws

__all__ = ["simulated_lws"]
