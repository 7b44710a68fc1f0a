"""What pages tell a user about agents: who may do what on which resource, in the administrator's words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from deputize.kernel.digests import digest
from deputize.oauth.consents import choose_by_language, join_covers, keep_granted, subtract_covers
from deputize.oauth.records.directory import Agent, Environment
from deputize.oauth.records.store import Covers
from deputize.oauth.redirect_uris import is_on_device
from deputize.oauth.resources import TokenTarget


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """A scope: its name, and what it allows.

    OpenID scopes have no description: pages describe them in the reader's language.
    """

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class ResourceLine:
    """Scopes of one resource; without a name they are OpenID's."""

    name: str
    description: str
    scopes: tuple[ScopeLine, ...]


@dataclass(frozen=True, slots=True)
class AgentLine:
    """Another agent that this one may pass to, and what that may then obtain."""

    name: str
    resources: tuple[ResourceLine, ...]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a consent page shows about an agent, and what saying yes to exactly that covers."""

    asked: tuple[ResourceLine, ...]
    """What it asks for now, as far as that was not agreed to."""
    obtainable: tuple[ResourceLine, ...]
    """What it may obtain by exchange besides."""
    others: tuple[AgentLine, ...]
    agreed: tuple[ResourceLine, ...]
    """What was agreed to before, and stays."""
    agreed_others: tuple[AgentLine, ...]
    covers: Covers

    def digest_for(self, *parts: str) -> str:
        """Compute what a form carries, so that nothing else than this, and `parts`, is agreed to with it."""
        return digest(json.dumps([*parts, asdict(self)]))


def disclose(
    environment: Environment,
    client: Agent,
    target: TokenTarget,
    reach: Covers,
    agreed: Covers,
    languages: Sequence[str],
) -> Disclosure:
    """Compute what the page shows when `client` signs a user on to reach `reach`, who agreed to `agreed`.

    `languages` are the reader's, the most wanted first.

    When that is nothing new, the user is asked for all of it again.
    """
    agreed = keep_granted(environment, agreed)
    new = subtract_covers(reach, agreed) or reach
    before = subtract_covers(join_covers(agreed, reach), new)
    direct = {client.id: {target.resource.id: target.scopes, "": target.openid_scopes, **target.by_exchange}}
    by_exchange = subtract_covers(new, direct)
    asked = subtract_covers(new, by_exchange)
    return Disclosure(
        asked=resource_lines(environment, asked.get(client.id, {}), languages),
        obtainable=resource_lines(environment, by_exchange.get(client.id, {}), languages),
        others=agent_lines(environment, new, client.id, languages),
        agreed=resource_lines(environment, before.get(client.id, {}), languages),
        agreed_others=agent_lines(environment, before, client.id, languages),
        covers=join_covers(agreed, reach),
    )


def agent_title(agent: Agent, languages: Sequence[str]) -> str:
    """Return what a reader of these languages reads as the agent's name."""
    named = None if agent.origin else choose_by_language(agent.settings.names, languages)
    return named or agent.title


def agent_description(agent: Agent, languages: Sequence[str]) -> str:
    """Return what its administrator says about the agent to a reader of these languages; "" for nothing."""
    return choose_by_language(agent.settings.descriptions, languages) or ""


def resource_lines(
    environment: Environment, resources: Mapping[str, tuple[str, ...]], languages: Sequence[str]
) -> tuple[ResourceLine, ...]:
    """Describe these scopes by resource, as far as the environment still has them."""
    lines: list[ResourceLine] = []
    for resource_id, scopes in resources.items():
        resource = environment.resources.get(resource_id)
        if resource is None:
            lines.append(ResourceLine("", "", tuple(ScopeLine(name, "") for name in scopes)))
            continue
        described = {
            name: choose_by_language(scope.descriptions, languages) or scope.description
            for name, scope in resource.scopes.items()
        }
        shown = tuple(ScopeLine(name, described.get(name, "")) for name in scopes)
        settings = resource.settings
        description = choose_by_language(settings.descriptions, languages) or settings.description
        lines.append(ResourceLine(resource.name, description, shown))
    return tuple(lines)


def agent_lines(
    environment: Environment, covers: Covers, client_id: str, languages: Sequence[str]
) -> tuple[AgentLine, ...]:
    """Describe what agents other than `client_id` may obtain."""
    others = {agent_id: resources for agent_id, resources in covers.items() if agent_id != client_id}
    return tuple(
        AgentLine(
            agent_title(environment.agents[each], languages),
            resource_lines(environment, resources, languages),
        )
        for each, resources in others.items()
    )


@dataclass(frozen=True, slots=True)
class ReturnsTo:
    """Where the user goes afterwards, as a person can recognise it."""

    kind: str
    """`device` for a program on the user's own device, `site` for anything else."""
    name: str


def returns_to(redirect_uri: str) -> ReturnsTo:
    """Return the host of a redirect URI, or its scheme where a program on the device claims that."""
    parts = urlsplit(redirect_uri)
    name = parts.netloc if parts.scheme in {"http", "https"} else f"{parts.scheme}:"
    return ReturnsTo("device" if is_on_device(redirect_uri) else "site", name)
