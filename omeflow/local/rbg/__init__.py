"""A simulated RoleBasedGroup controller, for local clusters only.

It does what omeflow relies on in the real one (rbg.md): RoleInstanceSets, RoleInstances and Pods of a group, rolling
updates in place or by recreation, scaling adapters, and a status that is as early and as stale as the real one.
`tests/e2e/backends/rbg/` holds it to that. The machine is pure (objects and time in, writes out); `driver` connects it
to an API server.
"""

from omeflow.local.rbg.driver import run, simulated_rbg

__all__ = ["run", "simulated_rbg"]
