"""`McpToolPolicies`: asked by a route's `McpToolAuthorizationFilter` about each call (decision 0032)."""

from collections.abc import Awaitable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from pydantic import Field

from deputize.gateway.authorities.endpoint import AuthorityEndpoint
from deputize.gateway.config.settings import Duration, OneOrMore, Raw, Reference, Settings
from deputize.gateway.exchange.contexts import BoundContext, OAuth2Context, PolicyContext, RefusalContext
from deputize.gateway.exchange.refusals import error_response
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.policies.arguments import AmbiguousArguments, read_arguments
from deputize.gateway.policies.authzen import EVALUATION, EVALUATIONS, AuthZenPolicies
from deputize.gateway.policies.coaz import read_mappings
from deputize.gateway.policies.enforcement import PolicyEnforcement, Verdict
from deputize.gateway.policies.limits import (
    Budget,
    Limit,
    LimitError,
    LimitPolicies,
    is_amount,
    parse_amount,
    parse_limit,
)
from deputize.gateway.policies.request import Effect, PolicyEngine, PolicyRequest, deny
from deputize.gateway.state.budgets import Budgets, BudgetsUnavailable, Reservation
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Amend, Plan
from deputize.kernel import strict_json
from deputize.kernel.errors import Faults
from deputize.kernel.strict_json import JsonError
from deputize.kernel.uris import UriError, is_loopback_host, parse_origin
from deputize.kernel.values import JsonObject
from deputize.mcp.context import McpContext
from deputize.mcp.errors import not_permitted
from deputize.mcp.pins import PinError, read_tools

log = structlog.get_logger()
_UNCERTAIN: frozenset[int] = frozenset({408, 409})
"""Refusals after which a call may have happened all the same."""


class BudgetSettings(Settings):
    """How much may be spent in a day."""

    name: str = Field(min_length=1, max_length=64)
    """How records and Cedar rules (`context.spent.<name>`) call it.

    Objects with the same `server` that have a budget of the same name count it together.
    """
    of: str
    """The amount: an argument of a tool, such as `transfer.amount`, or a tool, to count its calls."""
    limit: Raw[str | int | float]
    """What may be spent in a day; as a text, a number is exact."""
    per: OneOrMore[Literal["user", "agent"]] = ("user", "agent")
    """Whose budget it is: each user's, each agent's, or, with both, that of each pair."""
    time_zone: str = "UTC"
    """Where the day begins, such as `Europe/Berlin`."""


class DecisionPointSettings(Settings):
    """A decision point that speaks the OpenID AuthZEN Authorization API 1.0."""

    url: str
    """Its URL; https, except on this machine. Questions go to `/access/v1/evaluation` below it."""
    handler: Reference = "ForgeRockClientHandler"
    """Sends the questions; filters in front of it authenticate the gateway."""
    timeout: Duration = 2.0
    """How long all answers about one call may take; then it is denied."""
    batch: bool = True
    """Whether it takes several questions at once, at `/access/v1/evaluations`."""


class McpToolPolicies:
    """Decides about calls of tools by their arguments and circumstances.

    A call needs the permission of all that is configured: limits, Cedar policies, decision point, budgets. An
    extension of PingGateway's format.
    """

    contexts: ClassVar[tuple[type[BoundContext], ...]] = (PolicyContext,)

    class Config(Settings):
        """At least one of `limits`, `budgets`, `cedar` and `decisionPoint`.

        Files are taken from the instance folder. When one changes, the route is loaded again.
        """

        server: str
        """The MCP server's identifier: the audience of its tokens."""
        tools: str | None = None
        """A file with the tools and their input schemas: that of `pins`, or what `tools/list` answers."""
        limits: Raw[OneOrMore[str]] = ()
        """What arguments have to be, such as `transfer.amount <= 100` or `transfer.to in payees`."""
        lists: Raw[dict[str, tuple[str | bool | int | float, ...]]] = Field(default_factory=dict)
        """Lists of values by the names that limits call them."""
        budgets: OneOrMore[BudgetSettings] = ()
        """What may be spent in a day."""
        cedar: OneOrMore[str] = ()
        """Files of Cedar policies; they need `tools`."""
        decision_point: DecisionPointSettings | None = None
        """Asked last. With `tools`, by the mappings that tools declare."""
        state_directory: str = "state"
        """Folder in which budgets are counted, shared by the gateways of this machine."""
        dry_run: bool = False
        """Whether calls go on that would be denied. Log, record and `contexts.policy` say so."""

    def __init__(self, server: str, enforcement: PolicyEnforcement, *, is_dry_run: bool) -> None:
        self._server = server
        self._enforcement = enforcement
        self._is_dry_run = is_dry_run

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Read limits, budgets, tools and policies, and tell everything that is wrong with them at once."""
        faults = Faults()
        budgets = [
            each
            for at, settings in enumerate(config.budgets)
            if (each := faults.attempt(_read_budget, settings, at, context)) is not None
        ]
        engines: list[PolicyEngine | None] = [faults.attempt(_read_limits, config, budgets, context)]
        tools = faults.attempt(_read_tools, config, context)
        if config.cedar:
            engines.append(faults.attempt(_read_cedar, config, tools, budgets, context))
        if config.decision_point is not None:
            engines.append(faults.attempt(_read_decision_point, config.decision_point, tools or {}, context))
        if not (config.limits or budgets or config.cedar or config.decision_point):
            reason = "it decides nothing, and would permit every call"
            faults.found.append(context.error("", reason, "add limits, budgets, cedar or decisionPoint"))
        names = [each.name for each in config.budgets]
        for at, name in enumerate(names):
            if name in names[:at]:
                reason = f"another budget is called {name!r}"
                fix = "give each its own name: by it spending is counted"
                faults.found.append(context.error(f"budgets/{at}/name", reason, fix))
        faults.raise_any()
        kept = _open_budgets(config, context) if budgets else None
        enforcement = PolicyEnforcement(
            [each for each in engines if each is not None], budgets, kept, is_dry_run=config.dry_run
        )
        return cls(config.server, enforcement, is_dry_run=config.dry_run)

    def watch(self, head: Head, calls: Plan) -> Plan:
        """Return `calls`, the plan of calls that are permitted, with the end of what is counted for them."""

        def amend_for(response: Response) -> Amend | None:
            return self._release if response.status >= 400 else None

        return calls.after(head, amend_for=amend_for)

    async def decide(self, exchange: Exchange, calls: Plan) -> Response | Plan:
        """Decide about a call of a tool: `calls`, the plan to go on with, or a refusal."""
        verdict = await self._judge(exchange)
        decision = verdict.decision
        exchange.put(PolicyContext(decision.effect.value, decision.rules, self._is_dry_run))
        if verdict.reservation is not None:
            exchange.put(verdict.reservation)
        if decision.is_permitted:
            return calls
        is_question = decision.effect is Effect.ASK
        error = "approval_needed" if is_question else "policy_denied"
        names = ", ".join(decision.rules)
        reason = ": ".join(filter(None, (names, decision.question if is_question else decision.reason)))
        tell = log.warning if self._is_dry_run else log.info
        tell(
            "a policy would deny a call" if self._is_dry_run else "a policy denies a call",
            error=error,
            reason=reason,
            transaction=exchange.transaction_id,
        )
        if self._is_dry_run:
            return calls
        exchange.put(RefusalContext(error, reason))
        return error_response(exchange, not_permitted())

    async def _judge(self, exchange: Exchange) -> Verdict:
        token, mcp = exchange.find(OAuth2Context), exchange.find(McpContext)
        body = exchange.body.buffered
        if token is None or mcp is None or mcp.key is None or body is None:
            return Verdict(deny(reason="without a token and a message there is nothing to decide by"))
        try:
            arguments = read_arguments(body)
        except AmbiguousArguments as error:
            return Verdict(deny(reason=str(error)))
        claims, subject = token.info, token.subject
        acr, auth_time = claims.get("acr"), claims.get("auth_time")
        return await self._enforcement.decide(
            PolicyRequest(
                user=subject.sub or "",
                acr=acr if isinstance(acr, str) else None,
                auth_time=auth_time
                if isinstance(auth_time, int | float) and not isinstance(auth_time, bool)
                else None,
                agent=subject.client_id or (subject.act[0] if subject.act else ""),
                actors=subject.act,
                scopes=token.scopes,
                method=mcp.key.method,
                server=self._server,
                tool=mcp.key.names[0] if mcp.key.names else "",
                arguments=arguments,
                address=exchange.peer.remote_address,
                now=exchange.arrived,
                claims=claims,
            )
        )

    def _release(self, exchange: Exchange, response: Response) -> Response | Awaitable[Response]:
        """Give back what was counted where the call certainly did not happen."""
        reservation = exchange.find(Reservation)
        is_refused = response.status < 500 and response.status not in _UNCERTAIN
        if reservation is None or (exchange.went_up and not is_refused):
            return response

        async def give_back() -> Response:
            try:
                await self._enforcement.release(reservation)
            except BudgetsUnavailable as error:
                log.warning("what a call did not spend stays counted", reason=str(error))
            return response

        return give_back()


def _read_budget(settings: BudgetSettings, at: int, context: BuildContext) -> Budget:
    key = f"budgets/{at}"
    try:
        tool, path = parse_amount(settings.of)
    except LimitError as error:
        raise context.error(f"{key}/of", str(error), "write <tool>.<argument>, or <tool>") from error
    try:
        zone = ZoneInfo(settings.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        reason = f"there is no time zone {settings.time_zone!r}"
        raise context.error(f"{key}/timeZone", reason, "name one such as Europe/Berlin") from error
    try:
        limit = Decimal(str(settings.limit))
    except InvalidOperation:
        limit = Decimal("NaN")
    if not limit.is_finite() or not is_amount(limit):
        reason = f"{settings.limit!r} is no amount from 0 to 10^18"
        raise context.error(f"{key}/limit", reason, 'write a number, such as "1000.50"')
    return Budget(settings.name, tool, path, limit, "user" in settings.per, "agent" in settings.per, zone)


def _read_limits(
    config: McpToolPolicies.Config, budgets: Sequence[Budget], context: BuildContext
) -> PolicyEngine:
    faults = Faults()
    limits: list[Limit] = []
    for at, text in enumerate(config.limits):
        try:
            limits.append(parse_limit(text, config.lists))
        except LimitError as error:
            fix = "write <tool>.<argument>, one of <= < >= > == in, and a JSON value or the name of a list"
            faults.found.append(context.error(f"limits/{at}", str(error), fix))
    faults.raise_any()
    return LimitPolicies(limits, budgets)


def _read_tools(config: McpToolPolicies.Config, context: BuildContext) -> Mapping[str, JsonObject]:
    """Return the input schemas of the tools in the file, by name."""
    if config.tools is None:
        return {}
    fix = 'name the file of pins, or what tools/list answers: {"tools": [{"name": …, "inputSchema": …}]}'
    try:
        tools = read_tools(strict_json.loads(context.read_source(config.tools)))
    except (OSError, JsonError, PinError) as error:
        raise context.error("tools", f"{config.tools} cannot be read: {error}", fix) from error
    found: dict[str, JsonObject] = {}
    for name, tool in tools.items():
        schema = tool.get("inputSchema")
        if not isinstance(schema, Mapping):
            raise context.error("tools", f"{config.tools} has no input schema for {name!r}", fix)
        found[name] = schema
    return found


def _read_cedar(
    config: McpToolPolicies.Config,
    tools: Mapping[str, JsonObject] | None,
    budgets: Sequence[Budget],
    context: BuildContext,
) -> PolicyEngine | None:
    if config.tools is None:
        raise context.error("cedar", "Cedar policies need the tools' schemas", "add 'tools'")
    if tools is None:
        return None  # which is told already
    from deputize.gateway.policies.cedar import CedarPolicies, PolicyFile  # noqa: PLC0415 - 16 MB, for who has them

    files: list[PolicyFile] = []
    for at, name in enumerate(config.cedar):
        try:
            files.append(PolicyFile(name, context.read_source(name).decode()))
        except (OSError, UnicodeDecodeError) as error:
            fix = "name a text file below the instance folder"
            raise context.error(f"cedar/{at}", f"{name} cannot be read: {error}", fix) from error
    policies = CedarPolicies.load(files, config.server, tools, [each.name for each in budgets])
    for place, why in policies.unmapped.items():
        reason = f"rules do not see all of {place}, and what they do not see is denied: {why}"
        context.warn("tools", reason, "give it one type that Cedar has, where that matters")
    return policies


def _read_decision_point(
    settings: DecisionPointSettings, tools: Mapping[str, JsonObject], context: BuildContext
) -> PolicyEngine:
    if settings.timeout is None:
        reason = "a call cannot wait without end"
        raise context.error("decisionPoint/timeout", reason, "write a duration such as '2 seconds'")
    base = settings.url.rstrip("/")
    handler = (settings.handler, "decisionPoint/handler")
    evaluation, evaluations = (
        AuthorityEndpoint.configured(base + path, "decisionPoint/url", handler, context)
        for path in (EVALUATION, EVALUATIONS)
    )
    try:
        origin = parse_origin(base)
    except UriError as error:
        raise context.error("decisionPoint/url", str(error)) from error
    if origin.scheme != "https" and not is_loopback_host(origin.host):
        reason = "questions name users and arguments, and would go unencrypted"
        raise context.error("decisionPoint/url", reason, "use https")
    mappings, flaws = read_mappings(tools)
    for tool, why in flaws.items():
        context.warn("tools", f"the mapping of {tool!r} cannot be used, and its calls are denied: {why}")
    return AuthZenPolicies(
        base,
        evaluation,
        evaluations if settings.batch else None,
        settings.timeout,
        mappings,
        flaws,
    )


def _open_budgets(config: McpToolPolicies.Config, context: BuildContext) -> Budgets:
    from deputize.gateway.state.sqlite_budgets import SqliteBudgets  # noqa: PLC0415 - SQLite, for who has budgets

    path = context.instance.directory / config.state_directory / "budgets.sqlite"
    try:
        kept = SqliteBudgets(path)
    except BudgetsUnavailable as error:
        raise context.error("stateDirectory", str(error), "name a folder that is writable") from error
    context.on_close(kept.close)
    return kept
