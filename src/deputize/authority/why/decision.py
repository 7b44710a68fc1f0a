"""What is asked, and what the answer is: a decision, step by step, and what each step looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from deputize.diagnosis import causes
from deputize.diagnosis.cause import Cause
from deputize.expressions.explanation import FalsePart
from deputize.kernel.values import JsonObject, JsonValue
from deputize.oauth.lineage import parse_jti
from deputize.oauth.resources import TOKEN_EXCHANGE

RECORDED: Final[tuple[tuple[str, Cause], ...]] = (
    ("the password is wrong", causes.SIGN_ON_REFUSED),
    ("the name is unknown", causes.SIGN_ON_REFUSED),
    ("too many failures", causes.SIGN_ON_REFUSED),
    ("the user is disabled", causes.USER_DISABLED),
    ("the secret is wrong", causes.CLIENT_SECRET_WRONG),
    ("there is no such client", causes.CLIENT_UNKNOWN),
    ("The client is unknown", causes.CLIENT_UNKNOWN),
    ("is disabled", causes.AGENT_DISABLED),
    ("is past its end", causes.AGENT_EXPIRED),
    ("redirect_uri is not registered", causes.REDIRECT_MISMATCH),
    ("on the authority's own host", causes.REDIRECT_ON_AUTHORITY),
    ("nobody acts for the user", causes.ACTOR_REQUIRED),
    ("the token is for another resource", causes.TOKEN_AUDIENCE_WRONG),
    ("not active", causes.TOKEN_REFUSED),
    ("were not granted", causes.SCOPE_NOT_GRANTED),
    ("is not a granted resource", causes.AUDIENCE_UNKNOWN),
    ("may not use", causes.GRANT_NOT_GRANTED),
    ("does not cover", causes.CONSENT_DOES_NOT_COVER),
    ("is dead:", causes.GRANT_ENDED),
)
"""Words of a recorded reason, and the cause that they stand for."""


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
    reason: str = ""
    """What was recorded as the reason."""

    @property
    def is_complete(self) -> bool:
        """Whether it says enough for a decision: who asked, and for what or why it was refused."""
        return bool(self.agent and (self.resource or self.scopes or self.reason))


class SettingOf(NamedTuple):
    """The member of an object that a step looked at, for a link to it."""

    kind: str
    id: str
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

    def json(self) -> JsonObject:
        """The decision for programs."""
        return {
            "permitted": self.failed is None,
            "steps": [each.json() for each in self.steps],
            "claims": self.claims,
        }


def question_of(record: JsonObject) -> WhyQuestion | None:
    """The question that a record of the authority answers; `None` where no agent had a part in it."""

    def text(*names: str) -> str:
        return next((value for name in names if isinstance(value := record.get(name), str) and value), "")

    def texts(*names: str) -> tuple[str, ...]:
        value = next((found for name in names if (found := record.get(name))), None)
        listed = value.split(" ") if isinstance(value, str) else value
        return tuple(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else ()

    lineage = parse_jti(text("jti", "subjectJti"))
    grant_id = text("grantId") or (lineage.grant_id if lineage else None)
    agent, user, reason = text("clientId", "claimedClientId"), text("userId"), text("reason")
    resource = next(iter(texts("requestedResource", "resource")), "")
    scopes = texts("requestedScope", "scopes")
    exchanges = text("grantType") == TOKEN_EXCHANGE
    signer = text("subjectClientId")
    return WhyQuestion(agent, resource, user, scopes, exchanges, signer, grant_id, reason) if agent else None
