"""`McpToolAuthorizationFilter`: least privilege at the tool, prompt and resource (decision 0031)."""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Self, TypeAlias

import structlog
from pydantic import Field

from deputize.gateway.config.settings import OneOrMore, Raw, Reference, Settings
from deputize.gateway.exchange.approved_tools import PinnedTools
from deputize.gateway.exchange.contexts import OAuth2Context, RefusalContext
from deputize.gateway.exchange.refusals import error_response, refusing
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.policies.mcp_tool_policies import McpToolPolicies
from deputize.gateway.policies.request import TOOL_CALL
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, Response
from deputize.http.plans import Amend, Outcome, Plan, Prepare, Run
from deputize.http.sse import EventRewriter, RewrittenChunks, is_event_stream
from deputize.http.upstream import UpstreamError
from deputize.kernel import strict_json
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.strict_json import JsonError
from deputize.mcp.challenge import Challenge, bearer
from deputize.mcp.context import McpContext, McpRoute
from deputize.mcp.errors import bad_gateway, not_permitted
from deputize.mcp.headers import is_json
from deputize.mcp.listings import LISTING_METHODS, filter_message
from deputize.mcp.operations import (
    KINDS,
    MAX_ENTRY,
    MAX_RULE_NAME,
    MAX_SCOPE,
    Denial,
    McpOperation,
    OperationKind,
    OperationRule,
    OperationRules,
    Permissions,
    operations_of,
)
from deputize.mcp.pins import PinError

log = structlog.get_logger()
_MOST_SCOPE_SETS: Final = 256
_PINS_SECONDS: Final = 5.0
"""How often the file of approved tools is read again."""
_Rewrite: TypeAlias = Callable[[bytes], bytes]
_SCOPE: Final = re.compile(rf"[!#-<>-\[\]-~]{{1,{MAX_SCOPE}}}")
"""A scope (RFC 6749 section 3.3) without "=", which clients look for in challenges."""
_MOST_CHALLENGED: Final = 384
"""Characters of the scopes in a challenge, to which those of the route are added."""
_STALE: Final = ("ETag", "Content-Digest", "Repr-Digest")
"""Fields about the bytes of an answer as the server sent it."""


class RuleSettings(Settings):
    """Operations that need the same scopes.

    Names are exact, and case matters. `*` in one stands for any text. In a URI template of `resources`,
    `{name}` stands for one segment and, with an operator (`{+path}`), for any text; what fits the template
    may be read, and the template is listed.
    """

    name: Raw[str | None] = Field(None, max_length=MAX_RULE_NAME)
    """How records and logs call the rule; its place, such as `rules/0`, when absent."""
    tools: Raw[OneOrMore[str]] = ()
    """Tools that may be called."""
    prompts: Raw[OneOrMore[str]] = ()
    """Prompts that may be got, and completed."""
    resources: Raw[OneOrMore[str]] = ()
    """URIs and URI templates that may be read, subscribed to, and completed."""
    methods: Raw[OneOrMore[str]] = ()
    """Other methods that may be called, such as `tasks/*`; lists need no rule."""
    scopes: OneOrMore[str]
    """Scopes that a token needs, all of them; with an empty list any token will do."""
    on_use: bool = False
    """Whether tokens without the scopes see the operations in lists.

    For scopes that the user is asked for when they are needed (`consent: on_use` at the authority): an agent
    finds the tool, calls it, is challenged, and asks.
    """
    actors: OneOrMore[str] = ()
    """The agents that may use the operations, by `act.sub` of the token: the one that acts, not those before.

    When empty any may, and users without an agent.
    """


class McpToolAuthorizationFilter:
    """Lets a call pass whose operation the token permits, and shows in lists what it permits.

    It belongs behind `McpProtectionFilter` and `McpValidationFilter`. Without a token before it, only rules
    without scopes permit anything. A call that lacks scopes is 403 with a challenge for exactly those that
    its operation needs; what no rule fits is 403 without one, for no token would help.
    """

    class Config(Settings):
        """The rules. The first that fits an operation decides; what none fits is denied.

        A name that fits by a pattern only, and that a server could take for one another rule is about
        (case, Unicode, `%2e%2e`), is denied.
        """

        rules: OneOrMore[RuleSettings]
        """The rules, in the order in which they are tried."""
        policies: Reference | None = None
        """An `McpToolPolicies`, which is asked about calls of tools that the rules permit."""
        max_list_size: int = Field(strict_json.MAX_SIZE, ge=1, le=strict_json.MAX_SIZE)
        """Bytes that a list, or one event of a stream with lists, may have; more is 502."""
        pins: str | None = None
        """File with the definitions of approved tools, as `deputize gateway pins approve` writes it.

        Relative to the instance folder. Tools that are not in it, or that the server lists with another
        definition, are neither listed nor permitted. The file is read again every few seconds.
        """

    def __init__(
        self,
        rules: OperationRules,
        max_list_size: int,
        pins: PinnedTools | None = None,
        policies: McpToolPolicies | None = None,
    ) -> None:
        """`max_list_size` in bytes."""
        self._pins = pins
        self._rules = rules
        self._policies = policies
        self._limit = max_list_size
        self._permissions: BoundedMemory[tuple[frozenset[str], str | None], Permissions] = BoundedMemory(
            _MOST_SCOPE_SETS
        )

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Compile the rules; an entry about which an earlier rule decides is warned about."""
        rules = [_read_rule(index, each, context) for index, each in enumerate(config.rules)]
        if not rules:
            context.warn("rules", "without rules nothing is permitted", "permit what agents may use")
        compiled = OperationRules(rules)
        for index, rule in enumerate(rules):
            for kind, entries in rule.entries.items():
                for at, entry in enumerate(entries):
                    first = compiled.place_of(McpOperation(kind, entry))
                    if first is not None and first != index:
                        context.warn(
                            f"rules/{index}/{kind}/{at}",
                            f"{entry!r} has no effect: the rule {rules[first].name!r} before it decides",
                            "put the narrower rule first",
                        )
        policies = context.refer_if_set(config.policies, McpToolPolicies, "policies")
        return cls(compiled, config.max_list_size, _read_pins(config.pins, context), policies)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Decide by the token what its calls may be, and prepare them and lists apart."""
        if head.find(McpRoute) is None:
            reason = "McpToolAuthorizationFilter has no McpValidationFilter before it that reads messages"
            return refusing(head, 500, "server_error", reason)
        token = head.find(OAuth2Context)
        scopes = token.scopes if token is not None else frozenset[str]()
        actor = token.actor if token is not None else None
        permissions = self._permissions.get((scopes, actor))
        if permissions is None:
            permissions = self._permissions.remember((scopes, actor), self._rules.permissions(scopes, actor))
        headers = head.headers.copy()
        headers.remove("Accept-Encoding")
        headers.add("Accept-Encoding", "identity")  # lists are read here
        calls = next(head.with_headers(headers))
        watched = calls if self._policies is None else self._policies.watch(head, calls)
        lists = calls.after(head, amend_for=partial(self._amend_for, permissions))
        if head.method == "GET":
            return lists  # a stream that is resumed may bring the answer to any request
        if head.method != "POST":
            return calls

        pins, policies = self._pins, self._policies

        def choose(run: Run) -> Outcome:
            exchange = run.exchange
            mcp = exchange.find(McpContext)
            key = mcp.key if mcp is not None else None
            if mcp is None or key is None or mcp.message.frame is None:
                return calls  # the client answers the server
            params = mcp.message.frame.params
            if not permissions.permits(key, params):
                return _refuse(exchange, permissions.judge(operations_of(key, params)))
            if key.method == TOOL_CALL:
                fault = None if pins is None else pins.find_fault(key.names[0])
                if fault is not None:
                    return _deny(exchange, "operation_denied", fault, bearer())
                return calls if policies is None else policies.decide(exchange, watched)
            return lists if key.method in LISTING_METHODS else calls

        return Plan(choose, head, leases=calls.leases)

    def _amend_for(self, permissions: Permissions, response: Response) -> Amend | None:
        if not 200 <= response.status < 300 or response.status in {202, 204}:
            return None
        return partial(self._amend, permissions)

    def _amend(
        self, permissions: Permissions, exchange: Exchange, response: Response
    ) -> Response | Awaitable[Response]:
        """Put what the token permits in the place of what the server lists."""
        mcp = exchange.find(McpContext)
        frame = mcp.message.frame if mcp is not None else None
        rewrite = partial(
            filter_message,
            permissions=permissions,
            params=frame.params if frame else None,
            approves=None if self._pins is None else self._pins.approves,
        )
        encoding = response.headers.get("Content-Encoding")
        if encoding is not None and encoding.lower() != "identity":
            return _give_up(exchange, response, "is compressed, though it was asked for as it is")
        if is_event_stream(response.headers):
            return _rewrite_stream(response, EventRewriter(_of_events(exchange, rewrite), self._limit))
        if not is_json(response.headers.get("Content-Type") or ""):
            return _give_up(exchange, response, "is neither JSON nor an event stream")
        if response.body.buffered is None:
            return self._read_and_rewrite(exchange, response, rewrite)
        return _rewrite(exchange, response, response.body.buffered, rewrite)

    async def _read_and_rewrite(self, exchange: Exchange, response: Response, rewrite: _Rewrite) -> Response:
        try:
            content = await response.body.read(self._limit)
        except BodyTooLarge:
            return await _give_up(exchange, response, f"is larger than {self._limit} bytes")
        except (BodyBroken, UpstreamError) as error:
            return await _give_up(exchange, response, f"broke off: {error}")
        return _rewrite(exchange, response, content, rewrite)


def _read_rule(index: int, settings: RuleSettings, context: BuildContext) -> OperationRule:
    entries: dict[OperationKind, tuple[str, ...]] = {
        kind: names for kind in KINDS if (names := getattr(settings, kind))
    }
    if not entries:
        reason = "the rule names no operation"
        raise context.error(f"rules/{index}", reason, f"add one of {', '.join(KINDS)}")
    for kind, names in entries.items():
        for at, entry in enumerate(names):
            if not 0 < len(entry) <= MAX_ENTRY:
                reason = f"a name or pattern has 1 to {MAX_ENTRY} characters"
                raise context.error(
                    f"rules/{index}/{kind}/{at}", reason, "write a name, or a shorter pattern with *"
                )
    for at, scope in enumerate(settings.scopes):
        if not _SCOPE.fullmatch(scope):
            reason = f"{scope[:64]!r} is not a scope that a challenge can name"
            fix = "write each scope for itself, without blanks, quotes, backslashes and ="
            raise context.error(f"rules/{index}/scopes/{at}", reason, fix)
    if len(" ".join(settings.scopes)) > _MOST_CHALLENGED:
        reason = f"the scopes of one rule have more than {_MOST_CHALLENGED} characters"
        raise context.error(f"rules/{index}/scopes", reason, "ask for one scope that stands for them")
    return OperationRule(
        settings.name or f"rules/{index}",
        tuple(dict.fromkeys(settings.scopes)),
        entries,
        settings.on_use,
        frozenset(settings.actors),
    )


def _read_pins(file: str | None, context: BuildContext) -> PinnedTools | None:
    if file is None:
        return None
    path = context.instance.directory / file
    try:
        pins = PinnedTools(path, path.read_bytes())
    except (OSError, PinError, JsonError) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        reason = f"{file!r}, below the instance folder, does not say which tools are approved: {told}"
        raise context.error("pins", reason, "write it by: deputize gateway pins approve URL FILE") from error
    context.every(_PINS_SECONDS, pins.read_again)
    return pins


def _refuse(exchange: Exchange, denials: Sequence[Denial]) -> Response:
    """Refuse a call, naming exactly the scopes that its operations need, if they can help it at all."""
    helpless = [denial for denial in denials if not denial.missing]
    rules = [denial.rule for denial in helpless or denials if denial.rule is not None]
    names = ", ".join(dict.fromkeys(rule.name for rule in rules))
    if helpless:
        error = "operation_denied"
        reason = f"{names}: not for this agent" if names else "no rule permits it"
        challenge = bearer()  # without an error code: neither the same scopes nor more of them would help
    else:
        missing = dict.fromkeys(scope for denial in denials for scope in denial.missing)
        error, reason = "insufficient_scope", f"{names}: the token lacks the scope {' '.join(missing)}"
        needed = dict.fromkeys(scope for rule in rules for scope in rule.scopes)
        challenge = bearer(error=error, scope=" ".join(needed))
    return _deny(exchange, error, reason, challenge)


def _deny(exchange: Exchange, error: str, reason: str, challenge: Challenge) -> Response:
    log.info("an operation is denied", error=error, reason=reason, transaction=exchange.transaction_id)
    exchange.put(RefusalContext(error, reason))
    response = error_response(exchange, not_permitted())
    response.headers.add("WWW-Authenticate", str(challenge))
    return response


def _rewrite(exchange: Exchange, response: Response, content: bytes, rewrite: _Rewrite) -> Response:
    try:
        written = rewrite(content) if content else content
    except JsonError as error:
        return _unreadable(exchange, f"can be read in two ways: {error}")
    if written is not content:
        response.headers.remove(*_STALE)
    response.body = Body(written)
    return response


def _of_events(exchange: Exchange, rewrite: _Rewrite) -> Callable[[bytes | None], bytes | None]:
    """Return what rewrites the data of each event.

    What cannot be read is answered in its place, where one call is; in a stream of many it is left out.
    """

    def rewrite_data(data: bytes | None) -> bytes | None:
        if data == b"":
            return data
        try:
            if data is not None:
                return rewrite(data)
            reason = "is larger than maxListSize"
        except JsonError as error:
            reason = f"can be read in two ways: {error}"
        answer = _unreadable(exchange, reason)
        return answer.body.buffered if exchange.reached.method == "POST" else None

    return rewrite_data


def _rewrite_stream(response: Response, rewriter: EventRewriter) -> Response:
    body = response.body
    response.headers.remove(*_STALE)
    if body.buffered is None:
        response.body = Body(None, RewrittenChunks(aiter(body), rewriter), close=body.aclose)
    else:
        response.body = Body(rewriter.feed(body.buffered) + rewriter.end())
    return response


async def _give_up(exchange: Exchange, response: Response, reason: str) -> Response:
    await response.body.aclose()
    return _unreadable(exchange, reason)


def _unreadable(exchange: Exchange, reason: str) -> Response:
    log.warning(
        "what the MCP server lists is not passed on",
        reason=f"its answer {reason}",
        fix="have the server answer with plain JSON or an event stream, in the pages MCP provides for",
        transaction=exchange.transaction_id,
    )
    return error_response(exchange, bad_gateway("what the MCP server lists cannot be read"))
