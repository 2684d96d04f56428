"""A simulated RoleBasedGroup controller, for local clusters only.

It does what omeflow relies on in the real one (rbg.md): RoleInstanceSets, RoleInstances and Pods of a group, rolling
updates in place or by recreation, scaling adapters, growth by CoordinatedPolicies, Warmups that pull images, and a
status that is as early and as stale as the real one. `tests/e2e/backends/rbg/` holds it to that. The machine is pure
(objects and time in, writes out); `driver` connects it to an API server.

What it leaves out: workload types other than RoleInstanceSet, stateless instances, `OrderedReady`, updates by
CoordinatedPolicies, gangs (without PodGroups the real one stops, too), topology, engine runtimes, other actions of
Warmups, sets of groups, restart policies, the grace period of updates in place, the group's own ControllerRevisions,
and v1alpha1. Where the real controller is slow by chance (events a minute late, an adapter bound before its workload
has a selector: rbg.md 4.6), it is not.
"""

from omeflow.local.rbg.driver import simulated_rbg

__all__ = ["simulated_rbg"]
