"""An environment's own settings, and the file that describes an environment as a whole."""

from collections.abc import Mapping
from typing import Any, Self

from deputize.authority.directory.objects.agent import AgentObject
from deputize.authority.directory.objects.agreement import AgreementObject
from deputize.authority.directory.objects.directory_object import DirectoryObject, DocumentPart, Id
from deputize.authority.directory.objects.policy import PolicyObject
from deputize.authority.directory.objects.registration import RegistrationObject
from deputize.authority.directory.objects.resource import ResourceObject
from deputize.authority.directory.objects.user import UserObject
from deputize.authority.storage import Kind
from deputize.kernel.values import JsonObject
from deputize.oauth.records.settings import STORED, EnvironmentSettings, Name

OBJECTS: Mapping[Kind, type[DirectoryObject]] = {
    "resource": ResourceObject,
    "agreement": AgreementObject,
    "policy": PolicyObject,
    "agent": AgentObject,
}
"""The kinds of objects, each before those that refer to it."""
LISTS: Mapping[Kind, str] = {
    "resource": "resources",
    "agreement": "agreements",
    "policy": "policies",
    "agent": "agents",
}
"""The members of a file that list them."""


class EnvironmentObject(EnvironmentSettings, DocumentPart):
    """An environment's own settings."""

    environment: Name
    """Its name; a file with the same name changes the same environment."""
    id: Id | None = None
    """Its id, part of the issuer's URL; drawn when absent."""
    organization_id: Id | None = None
    """The `org` of tokens; drawn when absent."""
    registration: RegistrationObject | None = None
    """Who may introduce themselves as agents; nobody when it is absent. Given, it replaces the former as a
    whole; `null` ends every agent that introduced itself.
    """

    @classmethod
    def read(cls, name: str, document: JsonObject) -> Self:
        """The settings of the environment with this name and stored document.

        Raises `pydantic.ValidationError` where the document is broken.
        """
        return cls.model_validate({**document, "environment": name}, context=STORED)

    def document(self) -> JsonObject:
        """What is stored of it: all but its name and id."""
        settings = EnvironmentObject.model_fields.keys() - {"environment", "id"}
        return self.model_dump(mode="json", include=settings, exclude_none=True)


class EnvironmentFile(EnvironmentObject):
    """One environment.

    What the file leaves out stays as it is: whole kinds, and members of objects that exist.

    `null` gives a member its default. Ids and secrets stay in any case.
    """

    resources: tuple[ResourceObject, ...] | None = None
    """What tokens are issued for."""
    agreements: tuple[AgreementObject, ...] | None = None
    """What users agree to."""
    policies: tuple[PolicyObject, ...] | None = None
    """How users sign on."""
    agents: tuple[AgentObject, ...] | None = None
    """Who acts for them."""
    users: tuple[UserObject, ...] | None = None
    """Who signs on."""
    prune: bool = False
    """Whether objects of the kinds the file lists are removed when the file does not name them."""

    def entries_of(self, kind: Kind) -> tuple[DirectoryObject, ...]:
        """The file's entries of a kind."""
        entries: tuple[Any, ...] | None = getattr(self, LISTS[kind])
        return entries or ()

    def prunes(self, kind: Kind) -> bool:
        """Whether objects of this kind go when the file does not name them."""
        return self.prune and getattr(self, LISTS[kind]) is not None
