"""Writes the console's pages: templates, the files they load, headers that restrict what they may do."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from deputize.authority.signon.pages import Asset
from deputize.authority.signon.pages import asset_address as signon_asset

ASSETS: Final = {
    "console.css": "text/css; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
}
"""The files that pages load, with their media types."""
ASSETS_PATH: Final = "/console/assets"
_FOLDER: Final = files("deputize.authority.console") / "assets"
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HTMX_CONFIG: Final = (
    '{"allowEval":false,"allowScriptTags":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,'
    '"historyCacheSize":0,"refreshOnHistoryMiss":true,"responseHandling":[{"code":"204","swap":false},'
    '{"code":"[23]..|422","swap":true},{"code":"[45]..","swap":false,"error":true}]}'
)
"""Nothing is evaluated, no style is added, and no page, which may show a secret, is kept in the browser.

An answer that says what is wrong with what was typed (422) takes the place of what stood there before.
"""


def render(template: str, values: dict[str, Any], status: int = 200) -> HTMLResponse:
    """Render a file of `templates` with its values; every value is escaped."""
    content = _templates().get_template(template).render(values)
    return HTMLResponse(content, status, headers=_HEADERS)


def allow_data_pictures(response: Response) -> Response:
    """Let a page show pictures that are written in it, such as a logo that is not kept yet."""
    policy = response.headers["Content-Security-Policy"]
    response.headers["Content-Security-Policy"] = policy.replace("img-src 'self'", "img-src 'self' data:")
    return response


@cache
def asset(name: str) -> Asset:
    """Read one of `ASSETS`."""
    content = (_FOLDER / name).read_bytes()
    return Asset(content, ASSETS[name], hashlib.sha256(content).hexdigest()[:12])


def asset_address(name: str) -> str:
    """Return the path that a page loads a file from; it changes with the file's content."""
    return f"{ASSETS_PATH}/{name}?v={asset(name).version}" if name in ASSETS else signon_asset(name)


@cache
def _templates() -> Templates:
    templates = Templates(
        loader=PackageLoader("deputize.authority.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = cast("dict[str, Any]", templates.globals)
    names.update(asset=asset_address, htmx_config=HTMX_CONFIG)
    return templates
