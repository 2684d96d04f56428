"""A headless Chromium that takes pictures of the Temporal UI, without the UI's own navigation."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout

from omeflow.cli.console import progress

HERE = Path(__file__).parent
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
TIMELINE = "timeline?sort=ascending"
DETAILS = "user-metadata"
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


@dataclass(frozen=True, slots=True)
class Camera:
    browser: Browser

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, chromium: str) -> AsyncIterator["Camera"]:
        """Args: chromium: path of the program."""
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=QUIET.split())
            yield cls(browser)
            await browser.close()

    async def timeline(self, run: str, *, name: str) -> None:
        """The steps of a run that has ended, without what it was told. Args: run: its address in the UI."""
        await self._shoot(f"{run}/{TIMELINE}", text="close-attempt", name=name, hidden="Signal")

    async def details(self, run: str, *, text: str, name: str) -> None:
        """What a run says of itself, once that contains `text`: Markdown, which the UI shows in a frame."""
        await self._shoot(f"{run}/{DETAILS}", text=text, name=name, framed=True)

    async def _shoot(self, address: str, *, text: str, name: str, hidden: str = "", framed: bool = False) -> None:
        """A picture of the page once it shows `text`. Args: hidden: kind of events to leave out."""
        page = await self.browser.new_page(viewport={"width": WIDTH, "height": 2800})
        await page.goto(address)
        shown = page.frame_locator("iframe").last if framed else page
        for _ in range(LOOKS):
            try:
                await shown.get_by_text(text).first.wait_for(timeout=20_000)
                break
            except PlaywrightTimeout:
                await page.reload()
        else:
            await page.wait_for_timeout(SETTLING)
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
