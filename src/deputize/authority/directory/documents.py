"""How configured objects are stored: one JSON document each, whose members are these models'.

Strict both ways: what does not fit is refused when it is written, and disables only its object when it is
read. A member added later needs a default, and then no migration.
"""

from typing import Annotated, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

ACT = "act"


class Document(BaseModel):
    """A stored object's members, apart from its id, kind and name, which are columns."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class EnvironmentDocument(Document):
    """An environment's own settings; durations in seconds."""

    organization_id: str
    default_policy: str
    default_language: str = "en"
    session_lifetime: int = 12 * 3600
    session_idle_lifetime: int = 2 * 3600
    base_url: str | None = None
    """Where the authority is reached, as whoever configured the environment was told.

    Who serves is told it anew.
    """


class AttributeDocument(Document):
    """A claim and its mapping."""

    name: str
    value: str
    """`${expression}`, or a constant text, as the management API writes it (reference section 2)."""
    required: bool = False


class ScopeDocument(Document):
    """A scope of a resource."""

    description: str = ""
    consent: Literal["first", "on_use"] = "first"


def _scope(value: object) -> object:
    """Documents stored before scopes had members hold just the description."""
    return {"description": value} if isinstance(value, str) else value


class TermedDocument(Document):
    """What others rest on by identity: another object may get its id, its name or its audience later."""

    term: str = ""
    """Drawn by the store, whatever is written here; empty in documents older than terms."""


class ResourceDocument(TermedDocument):
    """A resource; durations in seconds."""

    audience: str
    description: str = ""
    token_lifetime: int = 3600
    attributes: tuple[AttributeDocument, ...] = ()
    scopes: dict[str, Annotated[ScopeDocument, BeforeValidator(_scope)]] = Field(default_factory=dict)
    """By name."""
    delegation_required: bool | None = None
    """`None`: exactly where `act` is mapped."""
    may_outlive_subject: bool = False
    impersonation_allowed: bool = False

    @property
    def requires_delegation(self) -> bool:
        """What `delegation_required` says, or its default."""
        maps_act = any(attribute.name == ACT for attribute in self.attributes)
        return maps_act if self.delegation_required is None else self.delegation_required


class AgentDocument(TermedDocument):
    """An agent; durations in seconds."""

    description: str = ""
    enabled: bool = True
    grant_types: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    scopes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Resource id to scope names."""
    policies: tuple[str, ...] = ()
    """Policy names."""
    client_auth: str | None = None
    """The one method that its secret may come by; `None`: any."""
    refresh_token_lifetime: int = 30 * 86400
    refresh_token_rolling_lifetime: int = 180 * 86400
    refresh_token_grace: int = 30

    @model_validator(mode="before")
    @classmethod
    def _methods_that_did_not_bind(cls, data: object) -> object:
        """Documents of the time when every agent was stored with a method, and none was held to it."""
        if not isinstance(data, dict) or "client_auth_method" not in data:
            return cast("object", data)
        members = cast("dict[str, object]", data).copy()
        method = members.pop("client_auth_method")
        return {"client_auth": None if method == "client_secret_basic" else method, **members}


class TextDocument(Document):
    """An agreement's wording in one language."""

    locale: str
    title: str
    content_type: str
    text: str
    revision: str
    enabled: bool = True


class AgreementDocument(Document):
    """An agreement with its texts."""

    description: str = ""
    enabled: bool = True
    reconsent_days: float | None = None
    version: int = 1
    texts: tuple[TextDocument, ...] = ()


class StepDocument(Document):
    """A step of a policy."""

    type: str
    settings: dict[str, str] = Field(default_factory=dict)


class PolicyDocument(TermedDocument):
    """A policy's steps, in order."""

    steps: tuple[StepDocument, ...]
