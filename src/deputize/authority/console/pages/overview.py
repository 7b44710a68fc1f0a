"""The first page of an environment: what there is in it, the way to what is not there yet, and what then.

The administrators' own environment leads to the others, in which agents are set up.
"""

from typing import Final

from starlette.responses import Response

from deputize.authority.administration.administrators import ROLES
from deputize.authority.console.addresses import list_addresses, list_gateway_settings
from deputize.authority.console.attention import list_concerns
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.guide import find_begun, find_ready, list_guide
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.authority.console.session import administrators

BESIDE: Final = ("environment", "keys", "registration")
"""Sections that no step of the guide needs, and that are worth a look before people come."""


async def show_overview(call: ConsoleCall) -> Response:
    """Count what there is, by kind, and lead to what is missing; to owners of agents show theirs."""
    if not call.operator.reads_all:
        return call.show("overview_agents.html", page=await call.list("agent", "enabled"))
    environment, home = call.environment, administrators(call.services)
    if home is not None and environment.id == home.id:
        others = [each for each in call.frame["environments"] if each.id != home.id]
        return call.show("overview_environments.html", others=others)
    counts = (
        ("resources", len(environment.resources)),
        ("agreements", len(environment.agreements)),
        ("policies", len(environment.policies)),
        ("agents", len(environment.agents)),
    )
    guide = await list_guide(call)
    following = next((each for each in guide if not each.is_done), None)
    ready = None if following else find_ready(environment)
    return call.show(
        "overview.html",
        counts=counts,
        guide=guide,
        following=following,
        begun=find_begun(environment, following) if following else None,
        beside=BESIDE,
        ready=ready,
        lines=list_gateway_settings(call, ready.resource, call.t("overview.ready_secret")) if ready else (),
        addresses=list_addresses(call),
        is_called=await call.services.activities.last_delivery(environment.id) is not None,
        concerns=await list_concerns(call),
    )


SECTION = ConsoleSection("overview", "overview", (ConsolePage("", show_overview),), seen_by=frozenset(ROLES))
