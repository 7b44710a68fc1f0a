"""Pages in an organisation's own colours, as dark or as light as any may be, in a real Chromium."""

import base64
import zlib

import pytest

from deputize.authority.branding import find_colour_flaw
from deputize.oauth.records.settings import Branding, EnvironmentSettings
from support.pages import problems, sign_on

pytestmark = pytest.mark.browser
COLOURS = {"light": "#bc3f4f", "dark": "#e3717f"}
"""Hardly dark, and hardly light, enough."""


def chunk(kind, content):
    body = kind + content
    return len(content).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)


def picture(width=120, height=40):
    """A PNG file of one colour."""
    head = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress((b"\x00" + b"\xbc\x3f\x4f" * width) * height)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


@pytest.mark.parametrize("scheme", COLOURS)
def test_whoever_signs_on_sees_them_and_can_read_everything(chromium, url, served_authority, scheme):
    assert find_colour_flaw(COLOURS[scheme], scheme) is None
    branding = Branding(name="Contoso", logo=picture(), colour=COLOURS["light"], dark_colour=COLOURS["dark"])
    served_authority.directory.replace(settings=EnvironmentSettings(branding=branding))
    context = chromium.new_context(
        locale="en-US", color_scheme=scheme, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(url)
    shown = page.evaluate("getComputedStyle(document.querySelector('button')).backgroundColor")
    red, green, blue = bytes.fromhex(COLOURS[scheme][1:])
    assert shown == f"rgb({red}, {green}, {blue})"
    assert page.locator(".brand img").evaluate("each => [each.naturalWidth, each.height]") == [120, 28]
    assert page.locator(".brand").inner_text() == "Contoso"
    assert problems(page) == []
    sign_on(page, url)
    assert problems(page) == []
    page.goto(f"{served_authority.base_url}{served_authority.path}/my")
    assert problems(page) == []
    assert errors == []
    context.close()
