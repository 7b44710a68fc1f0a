"""Pages as a browser reads them, and what a text that somebody put in must never become there."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

MARK = "xq7z"
"""Part of each hostile text: nothing of this program has it."""
COMPUTED = "59888829"
"""What would stand there if a template language had read the text."""
HOSTILE = {
    "markup": f"{MARK}\"'><script>{MARK}</script><img src={MARK} onerror={MARK}><svg/onload={MARK}>",
    "url": f"javascript:alert('{MARK}')",
    "template": f"{MARK}{{{{777777*77}}}}${{777777*77}}{{%raw%}}",
    "direction": f"{MARK}\u202e\u2066--><style>*{{{MARK}:url(//{MARK}.test)}}</style><!--\u05d0\u2028",
    "long": f"{MARK} " + "<b>" * 600,
}
_SHOWING = frozenset({"value", "title", "aria-label", "placeholder", "alt", "content", "maxlength"})
"""Attributes that show a text to people."""
_SCHEMES = frozenset({"", "http", "https", "otpauth"})
"""Where addresses lead; the last one to an authenticator app, on people's own pages."""
_LEADING = frozenset({"href", "src", "action", "formaction", "hx-get", "hx-post", "xlink:href", "srcset"})
"""Attributes with addresses."""


class PageJudge(HTMLParser):
    """Finds what became of hostile texts in a page: `flaws` is empty where they stayed texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.flaws: list[str] = ["a template language read it"] if COMPUTED in page else []
        self.links: list[str] = []
        self._silent = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag if tag in {"script", "style"} else ""
        if MARK in tag:
            self.flaws.append(f"an element {tag}")
        for name, value in attrs:
            text = value or ""
            if MARK in name or name.startswith("on"):
                self.flaws.append(f"an attribute {name} of {tag}")
            elif name in _LEADING:
                self._judge_address(tag, name, text)
            elif MARK in text and name not in _SHOWING:
                self.flaws.append(f"{name}={text!r} of {tag}")

    def handle_endtag(self, tag: str) -> None:
        self._silent = ""

    def handle_data(self, data: str) -> None:
        if self._silent and MARK in data:
            self.flaws.append(f"content of {self._silent}: {data!r}")

    def handle_comment(self, data: str) -> None:
        if MARK in data:
            self.flaws.append(f"a comment {data!r}")

    def _judge_address(self, tag: str, name: str, text: str) -> None:
        address = urlsplit(text.strip())
        is_picture = tag in {"img", "image"} and text.startswith("data:image/")
        if not is_picture and (address.scheme not in _SCHEMES or MARK in address.netloc):
            self.flaws.append(f"the address {text!r} in {name} of {tag}")
        if (tag, name) == ("a", "href"):
            self.links.append(text)
