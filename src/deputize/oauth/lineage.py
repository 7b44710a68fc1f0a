"""What a token came from, written into its `jti`: known at introspection without a write at issue.

`<grant id>.<segment>` for a token that came from a code or a refresh token, `<segment>` for one of an agent's
own. An exchange appends a segment to its subject token's `jti`. A segment begins with the terms of the agent
it was issued to and of its resource; what ended a term ended everything issued in it. Every prefix is the
`jti` of an ancestor.
"""

import re
from dataclasses import dataclass
from typing import Final

from deputize.kernel.ids import SEGMENT_LENGTH, TERM_LENGTH
from deputize.kernel.values import JsonValue

MAX_SEGMENTS: Final = 8
MAX_JTI: Final = 320
"""Characters: a grant id and `MAX_SEGMENTS` segments fit."""
_SEGMENT: Final = rf"[A-Za-z0-9_-]{{{SEGMENT_LENGTH}}}"
_JTI: Final = re.compile(rf"(?:[0-9a-f-]{{36}}\.)?{_SEGMENT}(?:\.{_SEGMENT}){{0,{MAX_SEGMENTS - 1}}}")
_GRANT_LENGTH: Final = 36


@dataclass(frozen=True, slots=True)
class Lineage:
    """A grant, if a user is behind the token, and the segments that each issue appended."""

    grant_id: str | None
    segments: tuple[str, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        """The term of every agent the token passed through, the one it was issued to last."""
        return tuple(segment[:TERM_LENGTH] for segment in self.segments)

    @property
    def resource_terms(self) -> tuple[str, ...]:
        """The term of the resource of every ancestor, and last of the token's own."""
        return tuple(segment[TERM_LENGTH : 2 * TERM_LENGTH] for segment in self.segments)

    @property
    def jti(self) -> str:
        """The token's own `jti`."""
        return ".".join(self.segments if self.grant_id is None else (self.grant_id, *self.segments))

    @property
    def jtis(self) -> tuple[str, ...]:
        """The `jti` of every ancestor, and last the token's own."""
        jtis: list[str] = []
        before = "" if self.grant_id is None else f"{self.grant_id}."
        for segment in self.segments:
            jtis.append(before + segment)
            before = f"{jtis[-1]}."
        return tuple(jtis)

    def append(self, segment: str) -> "Lineage":
        """The lineage of a token exchanged for this one."""
        return Lineage(self.grant_id, (*self.segments, segment))


def parse_jti(jti: JsonValue) -> Lineage | None:
    """The lineage that a verified token's `jti` tells.

    `None` if it is of another form, so that the token must not be believed.
    """
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        return None
    parts = jti.split(".")
    return (
        Lineage(parts[0], tuple(parts[1:])) if len(parts[0]) == _GRANT_LENGTH else Lineage(None, tuple(parts))
    )
