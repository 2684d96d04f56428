import asyncio
from pathlib import Path

import pytest

from omeflow.local.cache import Cache
from omeflow.local.releases import ETCD


def test_the_cache_is_where_the_xdg_specification_puts_it() -> None:
    assert Cache.of({"XDG_CACHE_HOME": "/x", "HOME": "/h"}).directory == Path("/x/omeflow/control-plane")
    assert Cache.of({"HOME": "/h"}).directory == Path("/h/.cache/omeflow/control-plane")


def test_an_installation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail() -> None:
        with cache.installing(ETCD) as directory:
            (directory / "etcd").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_installed_binary_can_be_executed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.installing(ETCD) as directory:
        (directory / "etcd").write_text("whole")
        assert not cache.entry(ETCD).exists()
    assert (cache.entry(ETCD) / "etcd").stat().st_mode & 0o111 == 0o111


async def test_one_process_installs_at_a_time_and_the_other_says_that_it_waits(tmp_path: Path) -> None:
    first, second = Cache(tmp_path), Cache(tmp_path)
    said: asyncio.Queue[str] = asyncio.Queue()
    inside = asyncio.Event()

    async def also() -> None:
        async with second.locked(progress=said.put_nowait):
            inside.set()

    async with first.locked(progress=said.put_nowait):
        waiting = asyncio.create_task(also())
        assert await said.get() == f"waiting for another process that installs into {tmp_path}"
        assert not inside.is_set()
    await waiting
    assert inside.is_set()
    assert said.empty()
