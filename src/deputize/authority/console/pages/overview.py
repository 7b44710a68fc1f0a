"""The first page of an environment: what there is in it."""

from starlette.responses import Response

from deputize.authority.administration.administrators import ROLES
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.section import ConsolePage, ConsoleSection


async def show_overview(call: ConsoleCall) -> Response:
    """Count what there is, by kind; to owners of agents show theirs."""
    if not call.operator.reads_all:
        return call.show("overview_agents.html", page=await call.list("agent", "enabled"))
    environment = call.environment
    counts = (
        ("resources", len(environment.resources)),
        ("agreements", len(environment.agreements)),
        ("policies", len(environment.policies)),
        ("agents", len(environment.agents)),
    )
    return call.show("overview.html", counts=counts)


SECTION = ConsoleSection("overview", "overview", (ConsolePage("", show_overview),), seen_by=frozenset(ROLES))
