"""Choosing THE one resource of a request from its `scope`, `resource` and `audience` (RFC 8707; reference section 2).

A token is for one resource. Scopes choose it, since a scope belongs to a resource; `resource` and `audience` choose it too and must agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deputize.oauth.errors import InvalidScope, InvalidTarget, OAuthError
from deputize.oauth.records.directory import Agent, Environment, Resource, Scope
from deputize.oauth.scopes import OPENID_SCOPES, openid_scopes, parse_scope, resource_scopes

SEVERAL_RESOURCES: Final = "May not request scopes for multiple resources"


@dataclass(frozen=True, slots=True)
class Target:
    """What a token is requested for: one resource, scopes of it, and the OpenID scopes beside them."""

    resource: Resource
    scopes: tuple[str, ...]
    """Names of the resource's scopes; of the `openid_resource`, OpenID scopes."""
    openid_scopes: tuple[str, ...] = ()

    @property
    def requested(self) -> tuple[str, ...]:
        """All of them, as a code or refresh token remembers them."""
        return tuple(dict.fromkeys((*self.openid_scopes, *self.scopes)))


def openid_resource(environment: Environment) -> Resource:
    """The environment's own endpoints as a resource: what a token is for when only OpenID scopes were asked for."""
    scopes: dict[str, Scope] = dict.fromkeys(OPENID_SCOPES, Scope())
    return Resource("", "openid", environment.issuer, (), scopes, ())


def resource_of(environment: Environment, resource_id: str | None) -> Resource | None:
    """The resource a code or refresh token was issued for; `None` if it has been removed since."""
    return openid_resource(environment) if resource_id is None else environment.resources.get(resource_id)


def choose_target(
    environment: Environment, agent: Agent, parameters: Mapping[str, str], *, user_present: bool = False, carries_act: bool = False
) -> Target:
    """The one resource and the scopes that `parameters` ask for and `agent` was granted.

    `user_present`: OpenID scopes alone suffice. `carries_act`: the grant can name an actor, so resources that require delegation
    are within reach. Raises `InvalidScope` and `InvalidTarget`.
    """
    names = parse_scope(parameters.get("scope"))
    wanted, openid = resource_scopes(names), openid_scopes(names)
    reach = _Reach(environment, agent, carries_act)
    named = reach.named(parameters)
    if named is None and openid and not wanted and not user_present:
        raise InvalidScope("OpenID scopes alone, in a request without a user at the browser")
    if named is None and "openid" in openid and not wanted:
        return Target(openid_resource(environment), openid, openid)
    resource = named or (reach.owning(wanted) if wanted else reach.only())
    return Target(resource, reach.granted(resource, wanted), openid)


@dataclass(frozen=True, slots=True)
class _Reach:
    """The resources an agent was granted scopes of, and whether this grant can use them."""

    environment: Environment
    agent: Agent
    carries_act: bool

    def named(self, parameters: Mapping[str, str]) -> Resource | None:
        """The resource that `resource` and `audience` name."""
        audiences = {parameters[name] for name in ("resource", "audience") if name in parameters}
        if not audiences:
            return None
        if len(audiences) > 1:
            raise InvalidTarget("resource and audience differ", "The parameters resource and audience name different resources")
        audience = audiences.pop()
        candidates = [each for each in self._all() if each.audience == audience]
        return self._usable(candidates, InvalidTarget(f"{audience[:256]!r} is not a granted resource"))

    def owning(self, wanted: tuple[str, ...]) -> Resource:
        """The resource that all of these scopes belong to."""
        owners = [each for each in self._all() if set(wanted) <= self._scopes(each)]
        if not owners:
            raise self._unowned(wanted)
        return self._usable(owners, InvalidScope("the scopes stand for several resources, and none is named", SEVERAL_RESOURCES))

    def only(self) -> Resource:
        """The one resource a request can be for that names neither scope nor resource."""
        usable = [each for each in self._all() if self._is_usable(each)]
        if len(usable) != 1:
            raise InvalidScope(f"names neither scope nor resource, and {len(usable)} resources are eligible", "The scope is missing")
        return usable[0]

    def granted(self, resource: Resource, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes of `resource` to put into the token: those wanted, or all that were granted."""
        mine = self._scopes(resource)
        foreign = [name for name in wanted if name not in mine]
        if foreign and set(foreign) <= {name for each in self._all() for name in self._scopes(each)}:
            raise InvalidTarget(f"{foreign} belong to another resource than {resource.name!r}", "The scope does not belong to the resource")
        if foreign:
            raise InvalidScope(f"{foreign} of {resource.name!r} were not granted")
        return wanted or tuple(name for name in resource.scopes if name in mine)

    def _all(self) -> list[Resource]:
        return [self.environment.resources[each] for each in self.agent.scopes if each in self.environment.resources]

    def _scopes(self, resource: Resource) -> frozenset[str]:
        return self.agent.scopes[resource.id] & resource.scopes.keys()

    def _is_usable(self, resource: Resource) -> bool:
        return bool(self._scopes(resource)) and (self.carries_act or not resource.delegation_required)

    def _usable(self, candidates: list[Resource], otherwise: OAuthError) -> Resource:
        usable = [each for each in candidates if self._is_usable(each)]
        if len(usable) == 1:
            return usable[0]
        if len(candidates) == 1:
            raise InvalidTarget(
                f"{candidates[0].name!r} requires delegation: only token exchange with an actor token yields a token for it"
            )
        raise otherwise

    def _unowned(self, wanted: tuple[str, ...]) -> InvalidScope:
        known = {name for each in self._all() for name in self._scopes(each)}
        if set(wanted) <= known:
            return InvalidScope("the scopes belong to several resources", SEVERAL_RESOURCES)
        return InvalidScope(f"{sorted(set(wanted) - known)} were not granted")
