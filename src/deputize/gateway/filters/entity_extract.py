"""`EntityExtractFilter`: finds texts in an entity by regular expressions (gateway-config reference 4.6)."""

import codecs
import re
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field

from deputize.expressions import OperandError
from deputize.gateway.config.settings import Charset, OneOrMore, PatternText, Settings
from deputize.gateway.exchange.refusals import failure_response, refuse
from deputize.gateway.exchange.targets import AssignmentTarget, TargetText
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, BodyTooLarge, Headers, Response
from deputize.http.plans import Plan, Prepare

LIMIT: Final = 1024 * 1024
"""Bytes of an entity that is looked through."""
_GROUP: Final = re.compile(r"\$([0-9])|\\(.)", re.DOTALL)
_CHARSET: Final = re.compile(r"(?i);\s*charset=\"?([\w.:+-]{1,40})")


class ExtractBinding(Settings):
    """What is looked for, and as what it is kept."""

    key: str
    """The member of the target."""
    pattern: PatternText
    """A regular expression; its first occurrence counts."""
    template: str | None = None
    """What is kept: `$1` stands for the first group, `$0` for the whole. By default whether it occurs."""


class EntityExtractFilter:
    """Keeps what regular expressions find in the entity of a request or an answer, as a map.

    What is not found is null. An entity of more than 1 MiB is not looked through: a request is refused with
    413, an answer with 502.
    """

    class Config(Settings):
        """Where to look, what for, and where it is kept."""

        message_type: Annotated[
            Literal["REQUEST", "RESPONSE"],
            BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
        ]
        """Which message is looked through."""
        charset: Charset | None = None
        """The character set; by default that of `Content-Type`, or UTF-8."""
        target: TargetText
        """The attribute that holds the map, such as `${attributes.found}`."""
        bindings: OneOrMore[ExtractBinding] = Field(min_length=1)
        """What is looked for."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._target: AssignmentTarget = config.target

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Check that the target can hold a map."""
        if config.target.message is not None:
            raise context.error(
                "target", "only an attribute can hold what is found", "write ${attributes.found}"
            )
        return cls(config)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on behind a step that looks."""
        plan = next(head)
        if self._config.message_type == "RESPONSE":
            return plan.after(head, amend_for=lambda _: self._extract_of_answer)

        def check(exchange: Exchange) -> Response | None:
            if not self._extract(exchange, exchange.body, head.headers):
                return refuse(exchange, 413, "body_too_large", f"it has more than {LIMIT} bytes")
            return None

        return plan.after(head, check=check, body_limit=LIMIT)

    async def _extract_of_answer(self, exchange: Exchange, response: Response) -> Response:
        try:
            await response.body.read(LIMIT)
        except BodyTooLarge:
            await response.body.aclose()
            return failure_response(exchange, 502, "the answer is too large to be looked through")
        self._extract(exchange, response.body, response.headers)
        return response

    def _extract(self, exchange: Exchange, body: Body, headers: Headers) -> bool:
        """Keep what is found; `False` where the body is not at hand, for it is too long."""
        if body.buffered is None or len(body.buffered) > LIMIT:
            return False
        text = body.buffered.decode(self._config.charset or _charset_of(headers), "replace")
        found = {each.key: _find(each, text) for each in self._config.bindings}
        self._target.put(exchange, found)
        return True


def _find(binding: ExtractBinding, text: str) -> object:
    try:
        groups = binding.pattern.groups(text)
    except OperandError:
        return None
    if binding.template is None:
        return groups is not None
    if groups is None:
        return None

    def fill(place: re.Match[str]) -> str:
        if place[2] is not None:
            return place[2]
        number = int(place[1])
        return (groups[number] or "") if number < len(groups) else ""

    return _GROUP.sub(fill, binding.template)


def _charset_of(headers: Headers) -> str:
    named = _CHARSET.search(headers.get("content-type") or "")
    try:
        return codecs.lookup(named[1]).name if named else "utf-8"
    except LookupError:
        return "utf-8"
