"""Worker and watcher may do what they do, and nothing else.

All rollouts of this directory run as the ServiceAccounts of deploy/rbac.yaml, so what is forbidden fails there. Here is
the other half, which runs last: whatever the roles allow was used by some test.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from privileges import (
    NAMESPACE,
    PARTIAL,
    USERS,
    WATCHER,
    WORKER,
    WRITE,
    Permission,
    granted,
    handed_on,
    manifests_for,
    shipped,
    used,
    write_roles,
)


def test_the_roles_allow_no_access_to_secrets_and_nothing_by_wildcard() -> None:
    for account, permissions in granted(shipped()).items():
        for permission in permissions:
            assert "*" not in permission, f"{account}: {permission}"
            assert permission.resource.partition("/")[0] != "secrets", f"{account}: {permission}"
            assert permission.verb not in ("escalate", "bind", "impersonate"), f"{account}: {permission}"


def test_the_worker_may_do_what_it_allows_routers() -> None:
    assert handed_on() <= granted(shipped())[WORKER]


def test_a_log_tells_what_each_process_needs_and_the_written_roles_allow_just_that(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    events = [
        _event(WATCHER, "watch", "pods"),
        _event(WATCHER, "create", "leases", apiGroup="coordination.k8s.io", namespace=NAMESPACE),
        _event(WORKER, "patch", "services", namespace="chat", code=201),
        _event(WORKER, "patch", "inferencerollouts", subresource="status", apiGroup="omeflow.io", namespace="chat"),
        _event(WORKER, "delete", "nodes", user="admin"),
        _event("kubectl", "delete", "nodes"),
        {"userAgent": WORKER, "user": {"username": f"{USERS}{WORKER}"}, "requestURI": "/apis/ome.io/v1beta1"},
    ]
    log.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    needed = {
        WATCHER: {
            Permission("", "", "pods", "watch"),
            Permission(NAMESPACE, "coordination.k8s.io", "leases", "create"),
        },
        WORKER: handed_on()
        | {Permission("", "", "services", verb) for verb in ("patch", "create")}  # an apply that created
        | {Permission("", "omeflow.io", "inferencerollouts/status", "patch")},
    }
    assert used(log) == needed
    assert granted(manifests_for(needed)) == needed


def test_what_the_roles_allow_is_what_the_tests_use(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, audit_log: Path, prepared: None
) -> None:
    measured = used(audit_log)
    if pytestconfig.getoption(WRITE, default=False):
        write_roles(measured)
    if pytestconfig.stash[PARTIAL] or request.session.testsfailed:
        pytest.skip("judges only after all tests of this directory, and if none failed")
    allowed = granted(shipped())
    for process in (WATCHER, WORKER):
        assert _said(measured[process] - allowed[process]) == [], f"{process} needs more: run with {WRITE}"
        assert _said(allowed[process] - measured[process]) == [], f"{process} may do what no test uses"


def _event(process: str, verb: str, resource: str, *, user: str = "", code: int = 200, **place: str) -> dict[str, Any]:
    return {
        "userAgent": process,
        "user": {"username": user or f"{USERS}{process}"},
        "verb": verb,
        "objectRef": {"resource": resource, **place},
        "responseStatus": {"code": code},
        "requestURI": "/api",
    }


def _said(permissions: set[Permission]) -> list[str]:
    return sorted(map(str, permissions))
