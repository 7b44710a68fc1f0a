"""Introductions: what the store keeps of an agent that introduced itself."""

from collections.abc import Collection
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from deputize.authority.storage import ObjectRow
from deputize.kernel.values import JsonObject
from deputize.oauth.client_metadata import ClientMetadata, read_metadata
from deputize.oauth.client_names import shown_name
from deputize.oauth.records.directory import Agent, AgentOrigin, Registration
from deputize.oauth.records.settings import RegistrationSettings
from deputize.oauth.registration import introduce, still_admits

_HISTORY = "introduction"


class Introduction(BaseModel):
    """How an agent got in that introduced itself, and what it said.

    It is kept as the row's history. The row's document is an administrator's, as that of any other agent, and
    says at most that the agent is disabled; its name is its id, so that it never has another one's.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    means: Literal["document", "open", "initial_access_token", "software_statement"]
    """As `AgentOrigin.means`."""
    detail: str = ""
    """As `AgentOrigin.detail`."""
    created_at: float
    metadata: dict[str, Any]
    """Members of client metadata, as far as they mean something here."""
    management_digest: str = Field(default="", repr=False)
    """SHA-256 of its registration access token (RFC 7592); empty where it cannot change itself."""

    @classmethod
    def of(cls, row: ObjectRow) -> Self | None:
        """The row's introduction; `None` for what an administrator set up.

        Raises `pydantic.ValidationError` where it is broken.
        """
        stored = row.history.get(_HISTORY)
        return None if stored is None else cls.model_validate(stored)

    def history(self) -> JsonObject:
        """The history of its agent's row."""
        return {_HISTORY: self.model_dump(mode="json")}

    def read_metadata(self) -> ClientMetadata:
        """What it said. Raises `OAuthError` where that would not be taken today."""
        return read_metadata(self.metadata)

    def is_admitted(self, settings: RegistrationSettings | None) -> bool:
        """Whether it would get in today in the way it once got in."""
        return settings is not None and still_admits(settings, self.means, self.detail)

    def agent(
        self, registration: Registration, agent_id: str, metadata: ClientMetadata, names: Collection[str]
    ) -> Agent:
        """The agent that `metadata` makes of the template; its name is shown unless it looks like one of
        `names`, as `client_names.skeleton` writes them.

        Raises `InvalidClientMetadata`.
        """
        lifetime = registration.agent_lifetime
        origin = AgentOrigin(
            self.means,
            self.detail,
            shown_name(metadata.client_name, names),
            self.created_at,
            None if lifetime is None else self.created_at + lifetime,
        )
        return introduce(registration.template, agent_id, metadata, origin)


def is_introduced(row: ObjectRow) -> bool:
    """Whether the row is of an agent that introduced itself."""
    return _HISTORY in row.history
