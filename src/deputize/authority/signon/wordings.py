"""The words that a user says yes to, written down so that they can be shown again whatever changes."""

import json
from collections.abc import Mapping, Sequence

from deputize.authority.signon.disclosure import agent_title, resource_lines
from deputize.authority.signon.pages import Language
from deputize.kernel.digests import digest
from deputize.kernel.values import JsonObject
from deputize.oauth.records.directory import Agent, Agreement, AgreementText, Environment
from deputize.oauth.records.store import Covers, Wording


def write_wording(
    environment: Environment,
    client: Agent,
    agreement: Agreement,
    text: AgreementText,
    covers: Covers,
    *,
    languages: Sequence[str],
    language: Language,
) -> Wording:
    """Write down what a page in `language` shows when `client` asks for `text` to be agreed to.

    `agents` are all that the consent `covers`, `client` first, as a reader of `languages` reads of them.
    """
    agents = {client.id: client, **{each: environment.agents[each] for each in covers}}
    document: JsonObject = {
        "agreement": {
            "name": agreement.name,
            "version": agreement.version,
            "language": text.locale,
            "title": text.title,
            "content_type": text.content_type,
            "text": text.text,
        },
        "agents": [
            {
                "id": agent.id,
                "name": agent_title(agent, languages),
                "resources": describe_access(environment, covers.get(agent.id, {}), languages, language),
            }
            for agent in agents.values()
        ],
    }
    return Wording(digest(json.dumps(document, sort_keys=True)), document)


def describe_access(
    environment: Environment,
    resources: Mapping[str, tuple[str, ...]],
    languages: Sequence[str],
    language: Language,
) -> list[JsonObject]:
    """Describe scopes by resource, as pages do; OpenID scopes are about the user, and of no resource."""
    lines = zip(resources, resource_lines(environment, resources, languages), strict=True)
    return [
        {
            "id": resource_id,
            "name": line.name or language.text("scope.about_you"),
            "description": line.description,
            "scopes": [
                {
                    "name": scope.name,
                    "description": scope.description if line.name else language.text(f"scope.{scope.name}"),
                }
                for scope in line.scopes
            ],
        }
        for resource_id, line in lines
    ]
