"""What callers are told when the API server, or the network before it, misbehaves."""

import asyncio
import time

import pytest
from faults import FaultProxy, refuse, reset, silence

from omeflow.api import errors, kinds
from omeflow.kube.client import Cluster

pytestmark = pytest.mark.real_cluster


async def test_a_throttle_is_waited_out(proxy: FaultProxy, through: Cluster) -> None:
    proxy.arm("get", "/namespaces/default", refuse(429, headers={"Retry-After": "0.5"}))
    started = time.monotonic()
    await through.get(kinds.NAMESPACE, "default")
    assert time.monotonic() - started >= 0.5
    assert proxy.count("get", "/namespaces/default") == 2


async def test_one_callers_throttle_holds_the_next_caller(proxy: FaultProxy, impatient: Cluster) -> None:
    proxy.arm("get", "/namespaces/default", refuse(429, message="slow down", headers={"Retry-After": "3"}))
    with pytest.raises(errors.Throttled, match="slow down") as refused:
        await impatient.get(kinds.NAMESPACE, "default")  # 3 s are longer than the time-out: the caller's to decide
    assert refused.value.retry_after == 3
    assert proxy.count("get", "/namespaces/default") == 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(impatient.get(kinds.NAMESPACE, "kube-system"), 0.2)
    assert proxy.count("get", "/namespaces/kube-system") == 0


async def test_a_write_that_was_throttled_is_sent_again(proxy: FaultProxy, through: Cluster, namespace: str) -> None:
    proxy.arm("create", "/configmaps", refuse(429, headers={"Retry-After": "0.1"}), times=2)
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "names", "namespace": namespace}}
    assert (await through.create(obj))["metadata"]["name"] == "names"


async def test_an_overloaded_server_is_left_alone_and_the_caller_told(proxy: FaultProxy, through: Cluster) -> None:
    proxy.arm("get", "/namespaces/default", refuse(503, headers={"Retry-After": "0.3"}))
    started = time.monotonic()
    with pytest.raises(errors.Unavailable) as refused:
        await through.get(kinds.NAMESPACE, "default")
    assert refused.value.retry_after == 0.3
    await through.get(kinds.NAMESPACE, "default")
    assert time.monotonic() - started >= 0.3


async def test_a_reset_names_method_and_path(proxy: FaultProxy, through: Cluster, namespace: str) -> None:
    proxy.arm("create", "/configmaps", reset)
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "names", "namespace": namespace}}
    with pytest.raises(errors.Unavailable, match=f"POST /api/v1/namespaces/{namespace}/configmaps: .+"):
        await through.create(obj)


async def test_silence_is_a_time_out(proxy: FaultProxy, impatient: Cluster) -> None:
    proxy.arm("get", "/namespaces/default", silence)
    with pytest.raises(errors.Unavailable, match="GET /api/v1/namespaces/default: no answer in time"):
        await impatient.get(kinds.NAMESPACE, "default")
    await impatient.get(kinds.NAMESPACE, "default")


async def test_a_login_page_in_between_is_no_answer(proxy: FaultProxy, through: Cluster) -> None:
    proxy.arm("get", "/namespaces/default", refuse(302, headers={"Location": "https://login.example"}))
    with pytest.raises(errors.Unavailable, match="redirected"):
        await through.get(kinds.NAMESPACE, "default")
