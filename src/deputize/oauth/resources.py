"""Scopes, and the one resource that a request is for (RFC 6749 section 3.3, RFC 8707, reference section 2).

A token is for one resource. Scopes choose it, since a scope belongs to a resource; `resource` and `audience`
choose it too and must agree. Where a user is at the browser, scopes of resources that only exchanges reach
may accompany them: then the user is asked for both.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from deputize.oauth.errors import InvalidScope, InvalidTarget
from deputize.oauth.parameters import values_of
from deputize.oauth.records.directory import Agent, Environment, Resource, Scope

TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
OPENID_SCOPES: Final = ("openid", "profile", "email", "offline_access")
"""Scopes of the user's own data and of refresh tokens; they may accompany those of one resource."""
MAX_SCOPES: Final = 64
OPENID_TERM: Final = "openid__"
"""Of the environment's own endpoints, which exist as long as it does."""
SEVERAL_RESOURCES: Final = "May not request scopes for multiple resources"
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")


def parse_scope(scope: str | None) -> tuple[str, ...]:
    """The names in a `scope` value, each once, in order. Raises `InvalidScope`."""
    names = tuple(dict.fromkeys(name for name in scope.split(" ") if name)) if scope else ()
    if len(names) > MAX_SCOPES or not all(map(_SCOPE.fullmatch, names)):
        raise InvalidScope("the scope is malformed or names too many")
    return names


def format_scope(names: Iterable[str]) -> str:
    """The `scope` value of these names."""
    return " ".join(names)


def openid_scopes(names: Iterable[str]) -> tuple[str, ...]:
    """Those that are OpenID's."""
    return tuple(name for name in names if name in OPENID_SCOPES)


def resource_scopes(names: Iterable[str]) -> tuple[str, ...]:
    """Those that belong to a resource."""
    return tuple(name for name in names if name not in OPENID_SCOPES)


@dataclass(frozen=True, slots=True)
class TokenTarget:
    """What a token is requested for: one resource, scopes of it, and the OpenID scopes beside them."""

    resource: Resource
    scopes: tuple[str, ...]
    """Names of the resource's scopes; of the `openid_resource`, OpenID scopes."""
    openid_scopes: tuple[str, ...] = ()
    by_exchange: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Resource id to scopes asked for beside these, which a later exchange may obtain if the user agrees now.
    """

    @property
    def requested(self) -> tuple[str, ...]:
        """All of them, as a code or refresh token remembers them."""
        return tuple(dict.fromkeys((*self.openid_scopes, *self.scopes)))


def openid_resource(environment: Environment) -> Resource:
    """The environment's own endpoints as a resource.

    What a token is for when only OpenID scopes were asked for.
    """
    scopes: dict[str, Scope] = dict.fromkeys(OPENID_SCOPES, Scope())
    return Resource("", "openid", environment.issuer, (), scopes, (), term=OPENID_TERM)


def resource_of(environment: Environment, resource_id: str | None) -> Resource | None:
    """The resource a code or refresh token was issued for; `None` if it has been removed since."""
    return openid_resource(environment) if resource_id is None else environment.resources.get(resource_id)


def choose_target(
    environment: Environment,
    agent: Agent,
    parameters: Mapping[str, str],
    *,
    user_present: bool = False,
    carries_act: bool = False,
) -> TokenTarget:
    """The one resource and the scopes that `parameters` ask for and `agent` was granted.

    `user_present`: OpenID scopes alone suffice, and scopes of resources that require delegation may accompany
    the others. `carries_act`: the grant can name an actor, so resources that require delegation are within
    reach. Raises `InvalidScope` and `InvalidTarget`.
    """
    names = parse_scope(parameters.get("scope"))
    wanted, openid = resource_scopes(names), openid_scopes(names)
    granted = _Granted(environment, agent, carries_act)
    named = granted.named(parameters)
    if not named and openid and not wanted and not user_present:
        raise InvalidScope("OpenID scopes alone, in a request without a user at the browser")
    if not named and "openid" in openid and not wanted:
        return TokenTarget(openid_resource(environment), openid, openid)
    later = granted.by_exchange(named, wanted) if user_present else {}
    wanted = tuple(
        name for name in wanted if name not in {each for names in later.values() for each in names}
    )
    resource = granted.one_of(named, later) or (granted.owning(wanted) if wanted else granted.only())
    return TokenTarget(resource, granted.scopes(resource, wanted), openid, later)


@dataclass(frozen=True, slots=True)
class _Granted:
    """The resources an agent was granted scopes of, and whether this grant can use them."""

    environment: Environment
    agent: Agent
    carries_act: bool

    def named(self, parameters: Mapping[str, str]) -> tuple[Resource, ...]:
        """The resources that `resource` and `audience` name, each once."""
        audiences = (
            audience for name in ("resource", "audience") for audience in values_of(parameters, name)
        )
        return tuple({resource.id: resource for resource in map(self._of_audience, audiences)}.values())

    def by_exchange(self, named: tuple[Resource, ...], wanted: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Those of `wanted` that only an exchange can obtain, by resource id.

        Empty when they would stand alone.

        Where such resources are named, they have to be of these, and those named that are not asked for by
        scope stand with none.
        """
        if TOKEN_EXCHANGE not in self.agent.grant_types:
            return {}
        usable = [each for each in named or self._all() if self._is_usable(each)]
        direct = {name for each in usable for name in self._scopes(each)}
        if not (direct.intersection(wanted) or (named and usable)):
            return {}
        named_later = [each for each in named if not self._is_usable(each)]
        later = named_later or [each for each in self._all() if not self._is_usable(each)]
        owners: dict[str, list[str]] = {each.id: [] for each in named_later}
        for name in (name for name in wanted if name not in direct):
            owning = [each.id for each in later if name in self._scopes(each)]
            if len(owning) > 1:
                raise InvalidScope(
                    f"{name!r} stands for several resources, and none is named", SEVERAL_RESOURCES
                )
            for resource_id in owning:
                owners.setdefault(resource_id, []).append(name)
        return {resource_id: tuple(names) for resource_id, names in owners.items()}

    def one_of(self, named: tuple[Resource, ...], later: Iterable[str]) -> Resource | None:
        """The resource among those named that the token is for; `None` when none is named."""
        candidates = [each for each in named if each.id not in later]
        if len(candidates) > 1:
            raise InvalidTarget(
                "the resources named differ, and a token is for one", "May not request several resources"
            )
        if candidates and not self._is_usable(candidates[0]):
            raise _delegation_required(candidates[0])
        return candidates[0] if candidates else None

    def owning(self, wanted: tuple[str, ...]) -> Resource:
        """The resource that all of these scopes belong to."""
        owners = [each for each in self._all() if set(wanted) <= self._scopes(each)]
        usable = [each for each in owners if self._is_usable(each)]
        if len(usable) == 1:
            return usable[0]
        if len(owners) == 1:
            raise _delegation_required(owners[0])
        if owners:
            raise InvalidScope("the scopes stand for several resources, and none is named", SEVERAL_RESOURCES)
        known = {name for each in self._all() for name in self._scopes(each)}
        if set(wanted) <= known:
            raise InvalidScope("the scopes belong to several resources", SEVERAL_RESOURCES)
        raise InvalidScope(f"{sorted(set(wanted) - known)} were not granted")

    def only(self) -> Resource:
        """The one resource a request can be for that names neither scope nor resource."""
        usable = [each for each in self._all() if self._is_usable(each)]
        if len(usable) != 1:
            raise InvalidScope(
                f"names neither scope nor resource, and {len(usable)} resources are eligible",
                "The scope is missing",
            )
        return usable[0]

    def scopes(self, resource: Resource, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes of `resource` to put into the token.

        Those wanted, or all granted ones that need not be asked for by name.
        """
        mine = self._scopes(resource)
        foreign = [name for name in wanted if name not in mine]
        if foreign and set(foreign) <= {name for each in self._all() for name in self._scopes(each)}:
            raise InvalidTarget(
                f"{foreign} belong to another resource than {resource.name!r}",
                "The scope does not belong to the resource",
            )
        if foreign:
            raise InvalidScope(f"{foreign} of {resource.name!r} were not granted")
        chosen = wanted or tuple(
            name for name in resource.scopes if name in mine and resource.scopes[name].consent == "first"
        )
        if not chosen:
            raise InvalidScope(
                f"every scope of {resource.name!r} has to be asked for by name", "The scope is missing"
            )
        return chosen

    def _of_audience(self, audience: str) -> Resource:
        resource = self.environment.resource_of_audience(audience)
        if resource is None or resource.id not in self.agent.scopes or not self._scopes(resource):
            raise InvalidTarget(f"{audience[:256]!r} is not a granted resource")
        return resource

    def _all(self) -> list[Resource]:
        return [
            self.environment.resources[each]
            for each in self.agent.scopes
            if each in self.environment.resources
        ]

    def _scopes(self, resource: Resource) -> frozenset[str]:
        return self.agent.scopes[resource.id] & resource.scopes.keys()

    def _is_usable(self, resource: Resource) -> bool:
        return bool(self._scopes(resource)) and (self.carries_act or not resource.delegation_required)


def _delegation_required(resource: Resource) -> InvalidTarget:
    return InvalidTarget(
        f"{resource.name!r} requires delegation: only token exchange with an actor token yields a token "
        f"for it"
    )
