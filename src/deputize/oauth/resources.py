"""Scopes, and the one resource that a request is for (RFC 6749 section 3.3, RFC 8707, reference section 2).

A token is for one resource. Scopes choose it, since a scope belongs to a resource; `resource` and `audience`
choose it too and must agree. Where a user is at the browser, scopes of resources that only exchanges reach
may accompany them: then the user is asked for both. Alone they are asked for in one step: the authority signs
the user on for the agent's delegation resource, and makes the exchange itself.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from deputize.oauth.errors import InvalidScope, InvalidTarget
from deputize.oauth.parameters import values_of
from deputize.oauth.records.directory import Agent, Environment, Resource, Scope

TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
REFRESH_TOKEN: Final = "refresh_token"
OFFLINE_ACCESS: Final = "offline_access"
"""Asks for a refresh token (OpenID Connect Core section 11). Granted to agents that may refresh, who get one
also without; of others it is ignored.
"""
OPENID_SCOPES: Final = ("openid", "profile", "email", OFFLINE_ACCESS)
"""Scopes of the user's own data and of refresh tokens; they may accompany those of one resource."""
MAX_SCOPES: Final = 64
OPENID_TERM: Final = "openid__"
"""Of the environment's own endpoints, which exist as long as it does."""
SEVERAL_RESOURCES: Final = "May not request scopes for multiple resources"
MAX_REMEMBERED: Final = 1024
"""Characters of the parameters that chose a target; longer ones are not remembered."""
_CHOOSING: Final = ("scope", "resource", "audience")
"""The parameters that choose a target."""
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
    subject: "TokenTarget | None" = None
    """Where `resource` requires delegation and a user is at the browser: what the user signs on for.

    The authority exchanges the token for that, which nobody gets, for the one that is asked for.
    """

    @property
    def signed_on_for(self) -> "TokenTarget":
        """What the user signs on for: this, or what is exchanged for it."""
        return self.subject or self

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
    the others or be asked for alone, which makes the exchange part of the sign-on. `carries_act`: the grant
    can name an actor, so resources that require delegation are within reach. Raises `InvalidScope` and
    `InvalidTarget`.

    What was chosen is remembered with the snapshot: an agent asks for the same again and again.
    """
    asked = tuple(map(parameters.get, _CHOOSING))
    question = ("target", agent.id, asked, user_present, carries_act)
    if environment.agents.get(agent.id) is not agent:
        return _choose(environment, agent, parameters, user_present, carries_act)
    target: TokenTarget | None = environment.remembered.get(question)
    if target is None:
        target = _choose(environment, agent, parameters, user_present, carries_act)
        if sum(len(text or "") for text in asked) <= MAX_REMEMBERED:
            environment.remembered.remember(question, target)
    return target


def _choose(
    environment: Environment,
    agent: Agent,
    parameters: Mapping[str, str],
    user_present: bool,  # noqa: FBT001 - only `choose_target` calls this
    carries_act: bool,  # noqa: FBT001
) -> TokenTarget:
    names = parse_scope(parameters.get("scope"))
    wanted, openid = resource_scopes(names), openid_scopes(names)
    if user_present and REFRESH_TOKEN not in agent.grant_types:
        openid = tuple(name for name in openid if name != OFFLINE_ACCESS)
    granted = _Granted(environment, agent, user_present, carries_act)
    named = granted.named(parameters)
    if openid and not wanted:
        if not named and not user_present:
            raise InvalidScope("OpenID scopes alone, in a request without a user at the browser")
        if not named and "openid" in openid:
            return TokenTarget(openid_resource(environment), openid, openid)
    later = granted.by_exchange(named, wanted) if user_present else {}
    if later:
        exchanged = {name for names in later.values() for name in names}
        wanted = tuple(name for name in wanted if name not in exchanged)
    resource = granted.one_of(named, later) or (granted.owner_of(wanted) if wanted else granted.only())
    scopes = granted.choose_scopes(resource, wanted)
    subject = None if granted.is_usable(resource) else granted.subject_for(resource, openid)
    return TokenTarget(resource, scopes, openid, later, subject)


def delegation_resources(granted: Iterable[Resource]) -> tuple[Resource, ...]:
    """Those that an agent's users can sign on for where the authority makes the exchange itself.

    Their tokens say who may act, and need not say who does.
    """
    return tuple(each for each in granted if each.maps("may_act") and not each.delegation_required)


class _Granted:
    """The resources that an agent was granted scopes of, and whether this grant can use them."""

    __slots__ = ("agent", "carries_act", "environment", "resources", "scopes", "user_present")

    def __init__(
        self,
        environment: Environment,
        agent: Agent,
        user_present: bool,  # noqa: FBT001
        carries_act: bool,  # noqa: FBT001
    ) -> None:
        self.environment = environment
        self.agent = agent
        self.user_present = user_present
        self.carries_act = carries_act
        known = environment.resources
        self.resources = [known[each] for each in agent.scopes if each in known]
        self.scopes = {each.id: agent.scopes[each.id] & each.scopes.keys() for each in self.resources}
        """Resource id to the scopes that were granted and still exist."""

    def named(self, parameters: Mapping[str, str]) -> tuple[Resource, ...]:
        """The resources that `resource` and `audience` name, each once. Raises `InvalidTarget`."""
        named: dict[str, Resource] = {}
        for audience in (*values_of(parameters, "resource"), *values_of(parameters, "audience")):
            resource = self.environment.resource_of_audience(audience)
            if resource is None or not self.scopes.get(resource.id):
                raise InvalidTarget(f"{audience[:256]!r} is not a granted resource")
            named[resource.id] = resource
        return tuple(named.values())

    def by_exchange(self, named: tuple[Resource, ...], wanted: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Those of `wanted` that only an exchange can obtain, by resource id; none if they are alone.

        Where such resources are named, the scopes have to be theirs; one named of which no scope is asked for
        is there with none.
        """
        if TOKEN_EXCHANGE not in self.agent.grant_types:
            return {}
        usable = [each for each in named or self.resources if self.is_usable(each)]
        direct = {name for each in usable for name in self.scopes[each.id]}
        if not (direct.intersection(wanted) or (named and usable)):
            return {}
        named_later = [each for each in named if not self.is_usable(each)]
        later = named_later or [each for each in self.resources if not self.is_usable(each)]
        owners: dict[str, list[str]] = {each.id: [] for each in named_later}
        for name in (name for name in wanted if name not in direct):
            owner_ids = [each.id for each in later if name in self.scopes[each.id]]
            if len(owner_ids) > 1:
                raise InvalidScope(
                    f"{name!r} stands for several resources, and none is named", SEVERAL_RESOURCES
                )
            for resource_id in owner_ids:
                owners.setdefault(resource_id, []).append(name)
        return {resource_id: tuple(names) for resource_id, names in owners.items()}

    def one_of(self, named: tuple[Resource, ...], later: Iterable[str]) -> Resource | None:
        """The resource among those named that the token is for; `None` when none is named."""
        candidates = [each for each in named if each.id not in later]
        if len(candidates) > 1:
            raise InvalidTarget(
                "the resources named differ, and a token is for one", "May not request several resources"
            )
        return self._require_reach(candidates[0]) if candidates else None

    def owner_of(self, wanted: tuple[str, ...]) -> Resource:
        """The resource that all of these scopes belong to."""
        owners = [each for each in self.resources if self.scopes[each.id].issuperset(wanted)]
        usable = [each for each in owners if self.is_usable(each)]
        if len(usable) == 1:
            return usable[0]
        if len(owners) == 1:
            return self._require_reach(owners[0])
        if owners:
            raise InvalidScope("the scopes stand for several resources, and none is named", SEVERAL_RESOURCES)
        unknown = self._not_granted(wanted)
        if unknown:
            raise InvalidScope(f"{unknown} were not granted")
        raise InvalidScope("the scopes belong to several resources", SEVERAL_RESOURCES)

    def only(self) -> Resource:
        """The one resource a request can be for that names neither scope nor resource."""
        usable = [each for each in self.resources if self.is_usable(each)]
        if len(usable) != 1:
            raise InvalidScope(
                f"names neither scope nor resource, and {len(usable)} resources are eligible",
                "The scope is missing",
            )
        return usable[0]

    def choose_scopes(self, resource: Resource, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes of `resource` to put into the token.

        Those wanted, or all granted ones that need not be asked for by name.
        """
        mine = self.scopes[resource.id]
        foreign = [name for name in wanted if name not in mine]
        if foreign and not self._not_granted(foreign):
            raise InvalidTarget(
                f"{foreign} belong to another resource than {resource.name!r}",
                "The scope does not belong to the resource",
            )
        if foreign:
            raise InvalidScope(f"{foreign} of {resource.name!r} were not granted")
        chosen = wanted or tuple(
            name for name, scope in resource.scopes.items() if name in mine and scope.consent == "first"
        )
        if not chosen:
            raise InvalidScope(
                f"every scope of {resource.name!r} has to be asked for by name", "The scope is missing"
            )
        return chosen

    def subject_for(self, resource: Resource, openid: tuple[str, ...]) -> TokenTarget:
        """What the user signs on for, so that the authority can exchange it for a token for `resource`.

        Raises `InvalidTarget` when nothing says what, `InvalidScope` when it has to be asked for by name.
        """
        named = self.agent.settings.delegation_resource
        granted = [each for each in self.resources if self.scopes[each.id]]
        possible = [each for each in granted if each.id == named] if named else delegation_resources(granted)
        if len(possible) != 1 or possible[0].delegation_required:
            why = (
                "its delegation_resource is not granted to it, or requires delegation itself"
                if named
                else f"{len(possible)} of its granted resources map may_act without requiring delegation"
            )
            raise InvalidTarget(
                f"{resource.name!r} requires delegation, and nothing says what the users of "
                f"{self.agent.name!r} sign on for: {why}; set its delegation_resource"
            )
        return TokenTarget(possible[0], self.choose_scopes(possible[0], ()), openid)

    def is_usable(self, resource: Resource) -> bool:
        """Whether the grant yields a token for it directly."""
        return bool(self.scopes[resource.id]) and (self.carries_act or not resource.delegation_required)

    def _require_reach(self, resource: Resource) -> Resource:
        """`resource`, if the grant yields a token for it, be it by way of an exchange."""
        if self.user_present or self.is_usable(resource):
            return resource
        raise InvalidTarget(
            f"{resource.name!r} requires delegation: a token for it comes of a user's sign-on for it "
            f"(authorization code), or of a token exchange with an actor token"
        )

    def _not_granted(self, names: Iterable[str]) -> list[str]:
        return sorted(set(names).difference(*self.scopes.values()))
