"""What clients say they are called, before anybody reads it: a name is shown, or it is not.

Nobody verified it. What could pass for something else than plain text is shown to nobody: invisible or
direction-changing characters, mixed scripts, piles of accents, and names that a person could take for those
of agents that an administrator set up (Unicode technical standard 39).
"""

import unicodedata
from collections.abc import Collection
from typing import Final

from deputize.oauth.usernames import canonical, username_refusal

MAX_SHOWN: Final = 64
"""Characters of a name that are shown."""
MAX_MARKS: Final = 2
"""Combining marks on one letter."""
_QUOTES: Final = frozenset('"“”„‟«»‹›「」『』〝〞〟❝❞❠⹂ʺ˝ˮ״')
"""What pages put around a name: it must not end there and go on as the page's own words."""
_LOOKALIKES: Final = str.maketrans(
    "аеорсухіјѕԁһԛԝѵьгзкмнтвґӏαβεικνορτυχγηωϲօոսհգզոցɑɡᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢi013458|!$@łı",
    "aeopcyxljsdhqwvbrekmhtbrlabelkvoptuxynwconuhqqngagabcdeghljklmnoprstuvwyzloleasbllsall",
)
"""Letters of other scripts, digits and signs, to the Latin letters that they are taken for."""


def shown_name(name: str | None, taken: Collection[str]) -> str:
    """The name as pages may show it, or "" where they must not.

    `taken` are `skeleton`s of names that it must not look like.
    """
    whole = canonical(name or "")
    beginning = whole if len(whole) <= MAX_SHOWN else whole[: MAX_SHOWN - 1].rstrip()
    if username_refusal(beginning) or skeleton(whole) in taken or not any(map(str.isalnum, beginning)):
        return ""
    if not _QUOTES.isdisjoint(beginning):
        return ""
    marks = "".join("m" if unicodedata.category(each)[0] == "M" else " " for each in beginning)
    if "m" * (MAX_MARKS + 1) in marks:
        return ""
    return beginning if beginning == whole else f"{beginning}…"


def skeleton(name: str) -> str:
    """What two names share that a person could take for each other: letters and digits as they look."""
    plain = unicodedata.normalize("NFKD", canonical(name).casefold()).translate(_LOOKALIKES)
    return "".join(each for each in plain if each.isalnum()).replace("rn", "m").replace("vv", "w")
