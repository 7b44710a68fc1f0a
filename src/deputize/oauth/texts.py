"""Which wording of an agreement a user reads (reference section 6).

First the user's preferred language, then the browser's, then the environment's. A regional tag falls back to
its bare language (`en-US` to `en`), never sideways to another region.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from deputize.oauth.records.directory import Agreement, AgreementText

MAX_LANGUAGES: Final = 16
_RANGE: Final = re.compile(
    r"\s*(?P<tag>[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4})\s*(?:;\s*q\s*=\s*(?P<weight>[01](?:\.\d{0,3})?)\s*)?"
)


def choose_text(
    agreement: Agreement, preferred: str | None, browser: Sequence[str], default: str
) -> AgreementText | None:
    """The enabled text to show; any enabled text when none of the languages has one.

    `None` when no text is enabled.
    """
    texts = {text.locale.lower(): text for text in agreement.texts if text.enabled}
    wanted = (name for tag in (preferred, *browser, default) if tag for name in _fallbacks(tag))
    return next((texts[name] for name in wanted if name in texts), next(iter(texts.values()), None))


def parse_accept_language(header: str | None) -> tuple[str, ...]:
    """The language tags of an Accept-Language header, the most wanted first (RFC 9110 section 12.5.4).

    Unreadable parts are skipped.
    """
    ranges = [_RANGE.fullmatch(part) for part in (header or "")[:512].split(",")[:MAX_LANGUAGES]]
    weighted = [(float(match["weight"] or "1"), match["tag"]) for match in ranges if match]
    return tuple(tag for weight, tag in sorted(weighted, key=_weight) if weight > 0)


def _weight(entry: tuple[float, str]) -> float:
    return -entry[0]


def _fallbacks(tag: str) -> Iterator[str]:
    """The tag and its ever shorter beginnings: zh-Hant-TW, zh-Hant, zh."""
    parts: Iterable[str] = tag.lower().split("-")
    kept = list(parts)
    while kept:
        yield "-".join(kept)
        kept.pop()
