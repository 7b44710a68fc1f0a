"""The words of the pages, one catalogue file a language."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LOCALES = ("en", "de", "fr", "es", "ja")
_FOLDER = Path(__file__).parent / "languages"
_RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the pages: its BCP 47 tag and its texts by `section.name`."""

    locale: str
    texts: Mapping[str, str]

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, as the `dir` attribute wants it."""
        return direction(self.locale)

    def text(self, name: str, **values: object) -> str:
        """The text `name` with its placeholders filled.

        Plain text, to be escaped by whoever puts it into a page.
        """
        return self.texts[name].format(**values)


@cache
def language(locale: str) -> Language:
    """The catalogue of one of `LOCALES`."""
    catalogue = tomllib.loads((_FOLDER / f"{locale}.toml").read_text("utf-8"))
    return Language(locale, dict(_flat(catalogue)))


def choose_language(preferred: str | None, browser: Sequence[str], default: str) -> Language:
    """The catalogue for the user's preferred language, else the browser's, else the environment's.

    English if there is none.
    """
    wanted = (tag.partition("-")[0].lower() for tag in (preferred, *browser, default) if tag)
    return language(next((locale for locale in wanted if locale in LOCALES), LOCALES[0]))


def direction(locale: str) -> str:
    """The writing direction of a language tag, by its primary subtag."""
    return "rtl" if locale.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


def _flat(catalogue: Mapping[str, str | Mapping[str, str]]) -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for name, entry in catalogue.items():
        flat.extend(
            [(name, entry)]
            if isinstance(entry, str)
            else [(f"{name}.{inner}", text) for inner, text in entry.items()]
        )
    return flat
