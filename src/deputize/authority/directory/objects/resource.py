"""Resources: what tokens are issued for."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from deputize.authority.directory.objects.directory_object import (
    AuthenticatingObject,
    DocumentPart,
    Id,
)
from deputize.kernel.values import JsonObject
from deputize.oauth.records.settings import Description, Descriptions, Name, ResourceSettings, ScopeName

MAPPINGS = {
    "User ID": "user.id",
    "Username": "user.username",
    "Email Address": "user.email",
    "Given Name": "user.name.given",
    "Family Name": "user.name.family",
    "Formatted Name": "user.name.formatted",
    "Preferred Language": "user.preferredLanguage",
}
"""The pick list of user attributes, as the console shows it, and the expressions behind it."""


class ResourceAttribute(DocumentPart):
    """A claim of a resource's tokens; exactly one of `expression`, `value` and `mapping` gives it."""

    name: Name
    """The claim's name, such as `act`."""
    expression: str | None = None
    """The mapping expression that computes it."""
    value: str | None = None
    """A constant text."""
    mapping: str | None = None
    """One of the names in [Mappings](#mappings)."""
    required: bool = False
    """Whether no token is issued when the value is missing."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if sum(each is not None for each in (self.expression, self.value, self.mapping)) != 1:
            raise ValueError("needs exactly one of expression, value and mapping")
        return self

    @property
    def source(self) -> str:
        """`${expression}` or a constant text, as the management API writes it (reference section 2)."""
        expression = self.expression if self.mapping is None else MAPPINGS.get(self.mapping, "null")
        return self.value or "" if expression is None else "${" + expression + "}"


class ResourceScope(DocumentPart):
    """A scope of a resource."""

    name: ScopeName
    """The scope as requests write it."""
    description: Description = ""
    """What it allows, in the words users read when they are asked for it.

    'Transfer money' rather than 'transfer'.
    """
    descriptions: Descriptions = Field(default_factory=dict[str, str])
    """The same in other languages, such as `{ de: "Geld überweisen" }`: users read what is written in theirs,
    or else `description`.
    """
    consent: Literal["first", "on_use"] = "first"
    """When users are asked.

    `first` at the first sign-on of an agent that may obtain it, `on_use` only when the agent asks for this
    scope by name, so that the first yes does not cover it.
    """


def _name_of(members: dict[str, Any]) -> str:
    return members["name"]


class ResourceObject(ResourceSettings, AuthenticatingObject):
    """Something protected that has an audience, for which tokens are issued."""

    id: Id | None = None
    """Its id, with which it authenticates at introspection; drawn when absent."""
    audience: Name = Field(default_factory=_name_of)
    """The `aud` of its tokens; by default the name."""
    attributes: tuple[ResourceAttribute, ...] = ()
    """Claims of its tokens beyond the built-in ones."""
    scopes: tuple[ResourceScope, ...] = ()
    """What agents can be granted on it."""
    delegation_required: bool | None = None
    """Whether it gets no token without `act`; by default true exactly when `act` is mapped."""

    @property
    def requires_delegation(self) -> bool:
        """What `delegation_required` says, or its default."""
        if self.delegation_required is not None:
            return self.delegation_required
        return self.maps("act")

    def maps(self, claim: str) -> bool:
        """Whether one of its attributes is this claim of its tokens."""
        return any(attribute.name == claim for attribute in self.attributes)

    def describe(self) -> JsonObject:
        """Claims by what computes them, and whether delegation is required also where that is the default."""
        is_default = " (default)" if self.delegation_required is None else ""
        return {
            **super().describe(),
            "attributes": [
                {"name": each.name, "value": each.source, "required": each.required}
                for each in self.attributes
            ],
            "delegation_required": f"{str(self.requires_delegation).lower()}{is_default}",
        }
