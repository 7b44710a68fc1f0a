"""How an environment's pages look where an administrator says so: their name, logo and colours.

Nothing of it stands in a page itself: colours come as a style sheet of ours, the logo as a file of ours, so
that pages allow no styles and no pictures from elsewhere.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal, NamedTuple, TypeAlias

from deputize.kernel.digests import digest
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.settings import Branding

Scheme: TypeAlias = Literal["light", "dark"]
LEAST_CONTRAST: Final = 4.5
"""Between text and what it stands on (WCAG 2.2, success criterion 1.4.3)."""
STYLE: Final = "style.css"
LOGO: Final = "logo"
_SIGNATURES: Final[Mapping[str, re.Pattern[bytes]]] = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
"""What files of each kind begin with."""
_WASH: Final = 0.09
"""How much of the colour is in the ground of what it belongs to."""
_PRESS: Final = 0.25
"""How much darker, or lighter on dark pages, it is under a pointer."""
_BRAND: Final = "brand"


class Picture(NamedTuple):
    """A file of an environment's pages."""

    media_type: str
    content: bytes


class Brand(NamedTuple):
    """What a page shows of it."""

    name: str = "Deputize"
    logo: str = ""
    """The path of its logo; empty for the one that comes with the pages."""
    style: str = ""
    """The path of its style sheet; empty where it has no colours."""


def brand_of(environment: Environment) -> Brand:
    """Return what the environment's pages show."""
    known = environment.remembered
    if _BRAND not in known:
        addresses = {
            name: f"/{environment.id}/as/brand/{name}?v={version_of(found)}"
            for name in (LOGO, STYLE)
            if (found := file_of(environment, name))
        }
        brand = Brand(environment.title, addresses.get(LOGO, ""), addresses.get(STYLE, ""))
        known.remember(_BRAND, brand)
    return known[_BRAND]


def file_of(environment: Environment, name: str) -> Picture | None:
    """Return the file of the environment's pages with that name, `LOGO` or `STYLE`, if there is one."""
    branding = environment.settings.branding
    if name == LOGO and branding.logo is not None:
        return read_logo(branding.logo)
    if name == STYLE and (branding.colour or branding.dark_colour):
        return Picture("text/css; charset=utf-8", write_style(branding).encode("ascii"))
    return None


def version_of(found: Picture) -> str:
    """Return what is in a file's address, and changes with its content."""
    return digest(found.content.hex())[:12]


def read_logo(data_url: str) -> Picture:
    """Take a `data:` URL with base64 apart. Raises `ValueError` where it is none."""
    kind, _, encoded = data_url.removeprefix("data:").partition(";base64,")
    return Picture(kind, b64decode(encoded, validate=True))


def find_logo_flaw(data_url: str) -> str | None:
    """Say why the logo is no picture of the kind that it says, or return `None`."""
    try:
        kind, content = read_logo(data_url)
    except ValueError as error:
        return f"it is no base64: {error}"
    if not _SIGNATURES[kind].match(content):
        return f"its content is no {kind}"
    return None


def find_colour_flaw(colour: str, scheme: Scheme) -> str | None:
    """Say where the colour cannot be read on pages of that scheme, or return `None`."""
    page = palette(scheme)
    grounds = {
        "the ground of a page": page["card"],
        "the text of a button": page["accent-ink"],
        "a ground of that colour": mix(colour, page["card"], _WASH),
    }
    for name, other in grounds.items():
        found = contrast(colour, other)
        if found < LEAST_CONTRAST:
            needed = f"{LEAST_CONTRAST:g}:1 is the least that everybody can read"
            return f"{colour} on {scheme} pages has a contrast of {found:.2f}:1 to {other}, {name}; {needed}"
    return None


def write_style(branding: Branding) -> str:
    """Write the style sheet that follows the pages' own."""
    colours: tuple[tuple[Scheme, str | None, str], ...] = (
        ("light", branding.colour, "#000000"),
        ("dark", branding.dark_colour, "#ffffff"),
    )
    rules: list[str] = []
    for scheme, colour, towards in colours:
        if colour is not None:
            wash = mix(colour, palette(scheme)["card"], _WASH)
            press = mix(towards, colour, _PRESS)
            rules.append(
                f"@media (prefers-color-scheme: {scheme}) {{\n"
                f"  :root {{ --accent: {colour}; --accent-press: {press}; --accent-wash: {wash}; }}\n}}\n"
            )
    return "".join(rules)


@cache
def palette(scheme: Scheme) -> Mapping[str, str]:
    """Return the colours of the pages' own style sheet, by the names of its custom properties."""
    style = (files("deputize.authority.signon") / "assets" / "signon.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light if scheme == "light" else dark))


def mix(one: str, other: str, share: float) -> str:
    """Return the colour that has so much of `one`, and of `other` the rest; all written `#rrggbb`."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """Compute the contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _channels(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def _luminance(colour: str) -> float:
    shares = (each / 255 for each in _channels(colour))
    linear = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares)
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
