"""Names that people sign on with: one name, one person, however it is typed and whoever reads it.

Names are kept in Unicode's form NFKC with single blanks between words, and no two may differ in case only.
Names that mix scripts whose letters look alike are refused; whole names of another script are not (Unicode
technical standard 39, section 4).
"""

import re
import unicodedata
from typing import Final

MAX_LENGTH: Final = 128
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


def username_refusal(name: str) -> str | None:
    """Why nobody may have this name, or `None`."""
    if not name or len(name) > MAX_LENGTH:
        return f"has not between 1 and {MAX_LENGTH} characters"
    if name != name.strip():
        return "begins or ends with a blank"
    for character in name:
        is_seen = unicodedata.category(character)[0] not in "CZ" and not _BLANK.fullmatch(character)
        if not is_seen and character != " ":
            return (
                f"has the character U+{ord(character):04X}, which is invisible, changes the direction "
                f"of text, or means nothing"
            )
    if name != canonical(name):
        return f"is another way to write {canonical(name)!r}"
    scripts = {
        unicodedata.name(character, "").partition(" ")[0] for character in name if character.isalpha()
    } & _SCRIPTS
    return (
        f"mixes letters that look alike, of {' and '.join(sorted(each.title() for each in scripts))}"
        if len(scripts) > 1
        else None
    )
