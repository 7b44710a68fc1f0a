"""How pages look: what an administrator may choose, and that everybody can read it."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.branding import contrast, find_colour_flaw, find_logo_flaw, mix, palette, write_style
from deputize.oauth.records.settings import Branding, EnvironmentSettings
from support.authority import Browser, running_authority

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
LOGO = f"data:image/png;base64,{PNG}"
COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#123456", "#123456", 1.0)],
)
def test_contrast_is_computed_as_wcag_does(one, other, ratio):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


@given(COLOURS, st.sampled_from(["light", "dark"]))
def test_whatever_colour_is_taken_can_be_read_wherever_pages_write_in_it(colour, scheme):
    if find_colour_flaw(colour, scheme) is not None:
        return
    branding = Branding(**{"colour" if scheme == "light" else "dark_colour": colour})
    used = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", write_style(branding)))
    page = {**palette(scheme), **used}
    assert page["accent"] == colour
    for name, other in (("accent", "card"), ("accent", "accent-wash"), ("accent-ink", "accent"),
                        ("accent-ink", "accent-press"), ("ink", "accent-wash")):  # fmt: skip
        assert contrast(page[name], page[other]) >= 4.5, (name, other)


@given(COLOURS, COLOURS)
def test_a_mixture_lies_between(one, other):
    assert mix(one, other, 1) == one
    assert mix(one, other, 0) == other
    assert mix(one, one, 0.3) == one


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_own_colours_would_be_taken(scheme):
    assert find_colour_flaw(palette(scheme)["accent"], scheme) is None


def test_what_cannot_be_read_is_said_with_both_colours():
    assert find_colour_flaw("#777777", "light") == (
        "#777777 on light pages has a contrast of 4.48:1 to #ffffff, the ground of a page; "
        "4.5:1 is the least that everybody can read"
    )


@pytest.mark.parametrize(
    ("logo", "flaw"),
    [
        (LOGO, None),
        (LOGO.replace("png", "jpeg"), "its content is no image/jpeg"),
        (f"data:image/png;base64,{base64.b64encode(b'<svg onload=alert(1)>').decode()}", "is no image/png"),
        (f"{LOGO[:-3]}=", "it is no base64"),
    ],
)
def test_a_logo_is_the_picture_that_it_says(logo, flaw):
    found = find_logo_flaw(logo)
    assert found is None if flaw is None else flaw in found


@pytest.fixture
async def browser(tmp_path):
    async with running_authority(tmp_path / "data") as authority, authority.client() as client:
        yield Browser(authority, client)


def dress(browser, **changes):
    branding = Branding(**{"name": "Contoso <Bank>", "logo": LOGO, "colour": "#a4001d", **changes})
    browser.authority.directory.replace(settings=EnvironmentSettings(branding=branding))


async def test_pages_carry_name_logo_and_colour_and_allow_nothing_more(browser):
    dress(browser)
    await browser.get(browser.authority.authorize_url())
    for heading in ("Sign on", "Let MCP Tutorial act for you?"):
        text, headers = browser.response.text, browser.response.headers
        assert browser.heading == heading
        assert "· Contoso &lt;Bank&gt;</title>" in text
        (logo,) = re.findall(r'<img src="([^"]+)" alt="" height="28">', text)
        (style,) = re.findall(r'<link rel="stylesheet" href="(/[^"]+/brand/[^"]+)">', text)
        policy = headers["content-security-policy"]
        assert "style-src 'self'; img-src 'self'; " in policy
        await browser.sign_on()
    picture = await browser.client.get(logo)
    assert picture.content == base64.b64decode(PNG)
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "immutable" in picture.headers["cache-control"]
    sheet = await browser.client.get(style)
    assert "--accent: #a4001d;" in sheet.text
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    dress(browser, logo=None, colour="#0b3d91")
    assert (await browser.client.get(logo)).status_code == 404
    changed = await browser.client.get(style)
    assert "#0b3d91" in changed.text
    assert changed.headers["cache-control"] == "no-store", "its address is that of the colour before"


async def test_without_branding_pages_are_as_they_come(browser):
    await browser.get(browser.authority.authorize_url())
    assert "brand/" not in browser.response.text
    assert "/assets/logo.svg" in browser.response.text
    for name in ("logo", "style.css", "other", ""):
        path = f"{browser.authority.path}/as/brand/{name}"
        assert (await browser.client.get(path)).status_code == 404
