import asyncio

import pytest

from omeflow.local.progress import step


async def test_long_work_says_now_and_then_how_far_it_is() -> None:
    said: list[str] = []
    beats = asyncio.Event()

    def progress(line: str, /) -> None:
        said.append(line)
        if len(said) > 2:
            beats.set()

    async with step("building", progress=progress, heartbeat=0.01) as current:
        current.detail = "7 packages compiled"
        await asyncio.wait_for(beats.wait(), 5)
    assert said[0] == "building"
    assert said[1].startswith("building … 7 packages compiled, ")
    assert said[-1].startswith("building … done, ")


async def test_work_that_fails_is_not_said_to_be_done() -> None:
    said: list[str] = []
    with pytest.raises(RuntimeError):
        async with step("building", progress=said.append):
            raise RuntimeError
    assert said == ["building"]
