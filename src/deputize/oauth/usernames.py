"""Names that people sign on with: one name, one person, however it is typed and whoever reads it.

Usernames are kept in Unicode's form NFKC with single blanks between words, and no two differ in case only.
Names that mix scripts whose letters look alike are refused; whole names of another script are not (Unicode
technical standard 39, section 4). Of the names of other things only what deceives is refused: each word of
them may have a script of its own.
"""

import re
import unicodedata
from typing import Final

MAX_LENGTH: Final = 128
_WORDS: Final = re.compile(r"[\s/-]+")
_SCRIPTS: Final = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "COPTIC", "CHEROKEE"})
"""Those whose letters look like each other's."""
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and signs that nobody sees: fillers, selectors of variants, and a pattern without dots.

What of `Default_Ignorable_Code_Point` is in none of the categories C and Z (DerivedCoreProperties.txt).
"""


def canonical(typed: str) -> str:
    """The form in which names are kept and looked up."""
    return " ".join(unicodedata.normalize("NFKC", typed).split())


def comparison_form(name: str) -> str:
    """What two names must not share: the canonical form without regard to case."""
    return unicodedata.normalize("NFKC", canonical(name).casefold())


def name_refusal(name: str) -> str | None:
    """Why nothing that people read may have this name, or `None`: it would deceive them."""
    return _hidden_refusal(name) or next(filter(None, map(_script_refusal, _WORDS.split(name))), None)


def without_hidden(name: str) -> str:
    """The name without what nobody sees."""
    return " ".join("".join(each for each in name if _is_seen(each) or each.isspace()).split())


def username_refusal(name: str) -> str | None:
    """Why nobody may have this name, or `None`."""
    if not name or len(name) > MAX_LENGTH:
        return f"has not between 1 and {MAX_LENGTH} characters"
    if refusal := _hidden_refusal(name):
        return refusal
    if name != canonical(name):
        return f"is another way to write {canonical(name)!r}"
    return _script_refusal(name)


def _hidden_refusal(name: str) -> str | None:
    if name != name.strip():
        return "begins or ends with a blank"
    hidden = next((each for each in name if each != " " and not _is_seen(each)), None)
    if hidden is None:
        return None
    return (
        f"has the character U+{ord(hidden):04X}, which is invisible, changes the direction of text, or means "
        f"nothing"
    )


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ" and not _BLANK.fullmatch(character)


def _script_refusal(name: str) -> str | None:
    scripts = {
        unicodedata.name(character, "").partition(" ")[0] for character in name if character.isalpha()
    } & _SCRIPTS
    return (
        f"mixes letters that look alike, of {' and '.join(sorted(each.title() for each in scripts))}"
        if len(scripts) > 1
        else None
    )
