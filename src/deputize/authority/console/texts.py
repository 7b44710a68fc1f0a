"""The console's words, in each of its languages."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from deputize.authority.signon.pages import Language

LOCALES: Final = ("en", "de")
"""The languages that every page has."""
_FOLDER: Final = files("deputize.authority.console") / "languages"


@cache
def language(locale: str) -> Language:
    """Read the texts of one of `LOCALES`: those of `languages/SECTION.toml` by `section.name`."""
    texts = {
        f"{section}.{name}": text
        for section, locales in read_texts().items()
        for name, text in locales[locale].items()
    }
    return Language(locale, texts)


@cache
def read_texts() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Read all texts by section, language and name."""
    sections = sorted(each.name for each in _FOLDER.iterdir() if each.name.endswith(".toml"))
    return {
        name.removesuffix(".toml"): tomllib.loads((_FOLDER / name).read_text("utf-8")) for name in sections
    }


def choose_language(wanted: Sequence[str | None]) -> Language:
    """Choose the first of the wanted languages that there is, else English."""
    tags = (tag.partition("-")[0].lower() for tag in wanted if tag)
    return language(next((tag for tag in tags if tag in LOCALES), LOCALES[0]))
