"""`ThrottlingFilter`: limits how often each partition of traffic may pass (gateway-config reference 4.9)."""

import math
from typing import Self

import structlog
from pydantic import model_validator

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import Template, compile_template
from deputize.gateway.config.settings import Reference, Settings, TemplateText, explain
from deputize.gateway.exchange.refusals import error_response, refuse
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.throttling.rate import Buckets, Rate, RateSettings, ThrottlingRatePolicy
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Plan, Prepare
from deputize.mcp.context import McpContext
from deputize.mcp.errors import too_many

log = structlog.get_logger()


class ThrottlingFilter:
    """Answers 429 with `Retry-After` beyond the rate.

    Behind a `McpValidationFilter` the answer is a JSON-RPC error as well, and the partition may depend on the
    message, such as on the tool that is called.

    Counts in this process only: N processes allow N times the rate.
    """

    class Config(Settings):
        """The partition of each request, and its rate: exactly one of `rate` and `throttlingRatePolicy`.

        `requestGroupingPolicy` names the partition; its default puts all traffic into one.
        """

        request_grouping_policy: TemplateText = compile_template("")
        """The partition a request counts in, such as `${contexts.oauth2.accessToken.info.sub}`.

        One for all when absent.
        """
        rate: RateSettings | None = None
        """The rate of every partition."""
        throttling_rate_policy: Reference | None = None
        """Decides on the rate for each request."""

        @model_validator(mode="after")
        def _has_one(self) -> Self:
            if (self.rate is None) is (self.throttling_rate_policy is None):
                raise ValueError("either 'rate' or 'throttlingRatePolicy' is required")
            return self

    def __init__(self, grouping: Template, policy: ThrottlingRatePolicy, context: BuildContext) -> None:
        self._grouping = grouping
        self._policy = policy
        self._context = context
        self._buckets = Buckets()

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Look up the policy."""
        if config.rate is not None:
            return cls(config.request_grouping_policy, _FixedRate(config.rate.rate), context)
        policy = context.refer(
            config.throttling_rate_policy or "", ThrottlingRatePolicy, "throttlingRatePolicy"
        )
        return cls(config.request_grouping_policy, policy, context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on, or refuse.

        A partition that is null, or an expression that fails, is 500, so that nobody slips past the limit.
        """

        def check(exchange: Exchange) -> Response | None:
            return self._check(head, exchange)

        return next(head).after(head, check=check)

    def _check(self, head: Head, exchange: Exchange) -> Response | None:
        try:
            exchange.request = head.request(exchange)
            partition = self._context.text(self._grouping, head.at(exchange))
            rate = self._policy.rate_of(exchange)
        except ExpressionError as error:
            return _refuse_undecided(explain(error), exchange)
        if partition is None:
            return _refuse_undecided("requestGroupingPolicy yields null", exchange)
        wait = None if rate is None else self._buckets.take(partition, rate, exchange.started)
        if wait is None:
            return None
        seconds = math.ceil(wait)
        response = refuse(exchange, 429, "throttled", "the rate of its partition is used up")
        if exchange.find(McpContext) is not None:
            response = error_response(exchange, too_many(seconds))
        response.headers.add("Retry-After", str(seconds))
        return response


class _FixedRate:
    """The same rate for every exchange."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate

    def rate_of(self, exchange: Exchange) -> Rate:  # noqa: ARG002 - it depends on nothing
        return self._rate


def _refuse_undecided(reason: str, exchange: Exchange) -> Response:
    log.error(
        "a request cannot be throttled and is refused", reason=reason, transaction=exchange.transaction_id
    )
    return refuse(exchange, 500, "throttled", reason)
