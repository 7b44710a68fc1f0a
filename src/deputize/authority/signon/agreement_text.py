"""An agreement's wording as a page may show it."""

import nh3
from markupsafe import Markup, escape

from deputize.oauth.records.directory import AgreementText

_TAGS = {"i", "b", "em", "strong", "a", "h1", "h2", "h3", "h4", "h5", "h6", "p", "br"}
_ATTRIBUTES = {"a": {"href", "target"}}
_SCHEMES = {"https", "http", "mailto"}


def wording(text: AgreementText) -> Markup:
    """The text as safe HTML.

    HTML reduced to the few elements agreements may use, plain text escaped with its lines kept.
    """
    if text.content_type == "text/html":
        return Markup(_sanitised(text.text))  # noqa: S704 - nh3 let only the elements above through
    return Markup('<p class="plain">{}</p>').format(escape(text.text))


def _sanitised(html: str) -> str:
    return nh3.clean(
        html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel="noopener noreferrer"
    )
