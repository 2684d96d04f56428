"""Take the pictures of docs/screenshots: real rollouts of a local cluster, seen in the Temporal UI.

    .venv/bin/python docs/screenshots/take.py

Needs Chromium (Debian: `apt install chromium`) and the `docs` extra, which `make setup` installs. It starts everything
that `omeflow up --local` starts, creates the prefill/decode service of examples/, changes its images, and then changes
them to ones that cannot be pulled.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml
from playwright.async_api import Browser, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout
from temporalio.client import Client

from omeflow.api.kinds import INFERENCE_ROLLOUT, INFERENCE_SERVICE, NAMESPACE
from omeflow.api.rollouts import InferenceRollout, Phase
from omeflow.cli.console import progress
from omeflow.cli.ground import Ground, ground
from omeflow.cli.journal import Journal
from omeflow.kube.client import Cluster
from omeflow.local.readiness import until
from workers.all_in_one import run_all
from workers.settings import Settings

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
PLACE, SERVICE = "demo", "chat"
WORKFLOW_ID = f"isvc/{PLACE}/{SERVICE}"
NEW, BROKEN = "0.5.0", "does-not-exist"
PATIENCE = 180.0
MANAGER = "screenshots"
TIMELINE = "sort=ascending"
LOOKS = 4
SETTLING = 3_000
"""Milliseconds in which the page finds its final form."""
WIDTH, LEFT, TOP, MARGIN = 1400, 257, 56, 24
LOWEST = """() => Math.max(...[...document.querySelectorAll("main *")]
    .filter(node => node.checkVisibility({opacityProperty: true, visibilityProperty: true}))
    .filter(node => node.tagName === "IFRAME" || (node.childElementCount === 0 && node.textContent.trim()))
    .map(node => node.getBoundingClientRect().bottom))"""
"""How far down the page has text."""
TO_THE_TOP = "() => document.querySelectorAll('*').forEach(node => { node.scrollTop = 0 })"
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


async def main() -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("error: there is no chromium in PATH: apt install chromium, or name one in $CHROMIUM")
    with tempfile.TemporaryDirectory(prefix="omeflow-screenshots-") as directory:
        async with (
            ground(local=True, directory=Path(directory)) as made,
            _browser(chromium) as browser,
            _running(made) as (cluster, journal),
        ):
            await _take(made, cluster, journal, browser)


async def _take(made: Ground, cluster: Cluster, journal: Journal, browser: Browser) -> None:
    assert made.temporal is not None
    run = made.temporal.run_url(WORKFLOW_ID)
    temporal = await Client.connect(made.temporal.address)
    await _create(cluster)
    await _converged(journal, temporal, attempt=1)
    await _change_images(cluster, NEW)
    await _converged(journal, temporal, attempt=2)
    await _shoot(
        browser,
        f"{run}/{await _run_id(cluster)}/timeline?{TIMELINE}",
        text="close-attempt",
        name="rollout",
        hidden="Signal",
    )

    await _change_images(cluster, BROKEN)
    await until(lambda: _cannot_pull(cluster), what="an image that cannot be pulled", deadline=PATIENCE)
    address = f"{run}/{await _run_id(cluster)}/user-metadata"
    await _shoot(browser, address, text="ImagePullBackOff", name="waiting", framed=True)


async def _create(cluster: Cluster) -> None:
    await cluster.apply({"apiVersion": "v1", "kind": NAMESPACE.name, "metadata": {"name": PLACE}})
    for name in ("models", "prefill-decode-router"):
        for manifest in yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text()):
            await cluster.apply(manifest, manager=MANAGER)


async def _converged(journal: Journal, temporal: Client, *, attempt: int) -> None:
    """Wait for the attempt's end, and for its run's: an edit before that would be taken up by the same run."""
    record = f"{SERVICE}-{attempt}"
    await journal.until(
        lambda: journal.last("phase", record) == Phase.SUCCEEDED, what=f"attempt {attempt}", seconds=PATIENCE
    )
    progress(f"{await temporal.get_workflow_handle(WORKFLOW_ID).result()}")


async def _cannot_pull(cluster: Cluster) -> bool:
    status = (await cluster.get(INFERENCE_SERVICE, SERVICE, PLACE)).get("status") or {}
    return any("ImagePullBackOff" in condition.get("message", "") for condition in status.get("conditions") or [])


async def _run_id(cluster: Cluster) -> str:
    """The run of the last attempt, from its record."""
    records = [InferenceRollout.model_validate(found) for found in await cluster.list(INFERENCE_ROLLOUT, PLACE)]
    last = max(records, key=lambda record: record.spec.number)
    assert last.status.run_id is not None
    return last.status.run_id


async def _change_images(cluster: Cluster, tag: str) -> None:
    serving = {"name": "ome-container", "image": f"registry.example/sglang:{tag}"}
    router = {"name": "router", "image": f"registry.example/sglang-router:{tag}"}
    patch: dict[str, Any] = {
        "spec": {"engine": {"runner": serving}, "decoder": {"runner": serving}, "router": {"runner": router}}
    }
    await cluster.merge_patch(INFERENCE_SERVICE, SERVICE, PLACE, patch, manager="screenshots")


async def _shoot(
    browser: Browser, address: str, *, text: str, name: str, hidden: str = "", framed: bool = False
) -> None:
    """A picture of the page once it shows `text`, without the UI's own navigation.

    Args:
        hidden: kind of events to leave out.
        framed: the text is Markdown, which the UI shows in a frame.
    """
    page = await browser.new_page(viewport={"width": WIDTH, "height": 1400})
    await page.goto(address)
    shown = page.frame_locator("iframe").last if framed else page
    for _ in range(LOOKS):
        try:
            await shown.get_by_text(text).first.wait_for(timeout=20_000)
            break
        except PlaywrightTimeout:
            await page.reload()
    else:
        await page.screenshot(path=Path(tempfile.gettempdir()) / f"{name}-as-it-is.png")
        raise TimeoutError(f"{address} never showed {text}")
    if hidden:
        await page.get_by_role("button", name="Filter").last.click()
        await page.get_by_text(hidden, exact=True).last.click()
        await page.mouse.click(WIDTH // 2, TOP)  # closes the menu
    await page.wait_for_timeout(SETTLING)
    await page.evaluate(TO_THE_TOP)
    bottom = await page.evaluate(LOWEST)
    area = {"x": LEFT, "y": TOP, "width": WIDTH - LEFT, "height": bottom + MARGIN - TOP}
    path = HERE / f"{name}.png"
    await page.screenshot(path=path, clip=area)
    await page.close()
    progress(f"{path}: {address}")


@contextlib.asynccontextmanager
async def _browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=QUIET.split())
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def _running(made: Ground) -> AsyncIterator[tuple[Cluster, Journal]]:
    """Worker and watcher as `omeflow up` runs them, and a journal of what happens."""
    settings = Settings(kubeconfig=made.kubeconfig, temporal_address=made.temporal_address)
    journal = Journal(SERVICE, PLACE)
    async with Cluster.connect(kubeconfig=made.kubeconfig) as cluster:
        tasks = [asyncio.create_task(run_all(settings)), asyncio.create_task(journal.keep(cluster))]
        try:
            yield cluster, journal
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
