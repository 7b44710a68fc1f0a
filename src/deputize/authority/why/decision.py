"""What is asked, and what the answer is: a decision, step by step, and what each step looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from deputize.diagnosis.cause import Cause
from deputize.diagnosis.refusals import SAID_BETTER_BY_STEPS
from deputize.expressions.explanation import FalsePart
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.lineage import parse_jti
from deputize.oauth.resources import TOKEN_EXCHANGE


@dataclass(frozen=True, slots=True)
class WhyQuestion:
    """Whether an agent may obtain scopes of a resource for a user, now."""

    agent: str
    """Its id or its name."""
    resource: str
    """Its id, its name, or its audience; empty: the one that the scopes belong to.

    With neither it is asked whether the user may be signed on at all.
    """
    user: str = ""
    """The user's id or name; empty: the agent asks for a token of its own."""
    scopes: tuple[str, ...] = ()
    """Empty: all that it may obtain without asking for each by name."""
    exchanges: bool = False
    """Whether the agent exchanges a subject token itself; otherwise the user signs on for the resource."""
    signed_on_by: str = ""
    """The agent that the subject token was issued to; empty: the one that exchanges it."""
    grant_id: str | None = None
    """The sign-on that a record tells of."""
    grant_type: str = ""
    """By which a token was refused."""
    redirect_uri: str = ""
    """The one that a refused authorization request named."""
    reason: str = ""
    """What was recorded as the reason."""
    error: str = ""
    """The code that the client was told."""
    event: str = ""
    """The name of the record, such as `token refused`."""

    @property
    def is_complete(self) -> bool:
        """Whether it says enough for an answer: why it was refused, or who asks for what."""
        return bool(self.reason or (self.agent and (self.resource or self.scopes)))


class SettingOf(NamedTuple):
    """The member of an object that a step looked at, for a link to it."""

    kind: str
    id: str
    """Empty: of the environment itself, or of an object that is not known."""
    name: str
    member: str


class MappingSeen(NamedTuple):
    """A mapping that was evaluated."""

    claim: str
    source: str
    false: tuple[FalsePart, ...]
    """The parts that were false, missing or not computable: places in `source`, and sentences."""


@dataclass(frozen=True, slots=True)
class WhyStep:
    """One thing that the decision rests on."""

    name: str
    outcome: Literal["held", "failed", "note"]
    said: str
    cause: Cause | None = None
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    setting: SettingOf | None = None
    mappings: tuple[MappingSeen, ...] = ()

    @property
    def because(self) -> str:
        """Why it failed, in the words of its cause."""
        return self.cause.tell(self.cause.cause, self.values) if self.cause else ""

    @property
    def fix(self) -> str:
        """What to do about it."""
        return self.cause.tell(self.cause.fix, self.values) if self.cause else ""

    def json(self) -> JsonObject:
        """The step for programs."""
        members: JsonObject = {"step": self.name, "outcome": self.outcome, "said": self.said}
        if self.setting:
            members = {**members, "setting": self.setting._asdict()}
        if self.cause:
            cause: JsonObject = {"id": self.cause.id, "text": self.because}
            mappings = [
                {"claim": each.claim, "source": each.source, "false": [part._asdict() for part in each.false]}
                for each in self.mappings
            ]
            members = {**members, "cause": cause, "fix": self.fix, "mappings": mappings}
        return members


@dataclass(frozen=True, slots=True)
class WhyDecision:
    """A decision, step by step; it ends with the first step that failed."""

    steps: tuple[WhyStep, ...]
    claims: JsonObject = field(default_factory=dict[str, JsonValue])
    """What the token would say; nothing where none would be issued."""

    @property
    def failed(self) -> WhyStep | None:
        """The step at which it is refused; `None` where it is not."""
        return next((each for each in self.steps if each.outcome == "failed"), None)

    @property
    def recorded(self) -> WhyStep | None:
        """What a record tells of the refusal; `None` where the question is about no refusal on record."""
        return next((each for each in self.steps if each.name == "recorded"), None)

    @property
    def permitted(self) -> bool:
        """Whether it would be permitted: nothing fails, and it is about no refusal on record.

        Settings alone do not tell whether that would happen again: a secret, a token or a code that was
        presented is not presented anew.
        """
        return self.failed is None and self.recorded is None

    @property
    def refused_by(self) -> Cause | None:
        """Why it was refused, or would be; `None` where it would be permitted.

        What is on record comes before what fails today, unless that says better what is on record.
        """
        recorded, failed = (each and each.cause for each in (self.recorded, self.failed))
        return failed if recorded is None or (failed and recorded in SAID_BETTER_BY_STEPS) else recorded

    def json(self) -> JsonObject:
        """The decision for programs."""
        return {
            "permitted": self.permitted,
            "steps": [each.json() for each in self.steps],
            "claims": self.claims,
        }


def question_of(record: JsonObject) -> WhyQuestion | None:
    """The question that a record of the authority answers.

    `None` where no agent had a part in it, and nothing was refused.
    """

    def text(*names: str) -> str:
        return next((value for name in names if isinstance(value := record.get(name), str) and value), "")

    def texts(*names: str) -> tuple[str, ...]:
        value = next((found for name in names if (found := record.get(name))), None)
        listed = value.split(" ") if isinstance(value, str) else value
        return tuple(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else ()

    lineage = parse_jti(text("jti", "subjectJti"))
    question = WhyQuestion(
        agent=text("clientId", "claimedClientId"),
        resource=next(iter(texts("requestedResource", "resource")), ""),
        user=text("userId"),
        scopes=texts("requestedScope", "scopes"),
        exchanges=text("grantType") == TOKEN_EXCHANGE,
        signed_on_by=text("subjectClientId"),
        grant_id=text("grantId") or (lineage.grant_id if lineage else None),
        grant_type=text("grantType"),
        redirect_uri=text("redirectUri"),
        reason=text("reason"),
        error=text("error"),
        event=text("eventName").removeprefix("DEPUTIZE-").replace("-", " ").lower(),
    )
    return question if question.agent or question.reason else None
