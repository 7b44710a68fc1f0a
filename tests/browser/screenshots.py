"""Writes a picture of every page of the console, with the data that its tests have, into the documentation.

`make screenshots`: each kind of page in the light, in the dark, and on a phone, and the page that
lists them. The pictures are small and have few colours, so that a checkout stays light.
"""

import io
import shutil
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from browser.conftest import CHROMIUM, FLAGS, serving
from support.console_tour import sign_on, visit
from support.furnished_console import furnished_console

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "images" / "console"
PAGE: Final = ROOT / "docs" / "reference" / "console.md"
SCREENS: Final = (("light", 1280, 0.6), ("dark", 1280, 0.4), ("phone", 390, 0.6))
"""Each with its width in pixels, and how much smaller its pictures are; phones are shown in the dark, too."""
COLOURS: Final = 32
MAX_HEIGHT: Final = 1400
"""Pixels of a page: what is below is left out."""


def main() -> None:
    """Write all pictures, and the page."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    shown: list[str] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        with serving(lambda url: furnished_console(Path(folder), url)) as console:
            page = chromium.new_context(locale="en-US", timezone_id="UTC").new_page()
            sign_on(page, console.authority.base_url, console.path)
            for kind, _ in visit(page, console):
                name = kind.translate({ord("/"): "-", ord("{"): None, ord("}"): None}) or "overview"
                shown.append(name)
                take(page, name)
                print(f"  {name}")  # noqa: T201 - it takes a minute or two
        chromium.close()
    PAGE.write_text(describe(sorted(shown)), "utf-8")


def take(page: Page, name: str) -> None:
    """Write the pictures of what the page shows now."""
    for screen, width, scale in SCREENS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="light" if screen == "light" else "dark", reduced_motion="reduce")
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
        picture = picture.crop((0, 0, width, min(picture.height, MAX_HEIGHT)))
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
        )
        picture.quantize(COLOURS).save(FOLDER / f"{name}-{screen}.png", optimize=True)


def describe(names: list[str]) -> str:
    """Return the page that shows them."""

    def show(name: str, screen: str) -> str:
        picture = f"../images/console/{name}-{screen}.png"
        return f"[![{name}, {screen}]({picture})]({picture})"

    rows = "\n".join(
        " | ".join(["", name, *(show(name, each[0]) for each in SCREENS), ""]).strip() for name in names
    )
    return (
        "# The console's pages\n\nWritten by `make screenshots`, with the use case's environment.\n\n"
        f"| Page | Light | Dark | Phone |\n|---|---|---|---|\n{rows}\n"
    )


if __name__ == "__main__":
    main()
