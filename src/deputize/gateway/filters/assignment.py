"""`AssignmentFilter`: sets attributes and parts of messages (gateway-config reference 4.6)."""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Self

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import ConditionText, OneOrMore, Settings, TemplateText
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.exchange.refusals import refuse_unsendable
from deputize.gateway.exchange.targets import AssignmentTarget, TargetText
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import HeaderError, Response
from deputize.http.plans import Plan, Prepare
from deputize.kernel.uris import UriError


class Assignment(Settings):
    """What is assigned, and where."""

    condition: ConditionText | None = None
    """When it is assigned; always, when absent. An absent header or claim differs from everything."""
    target: TargetText
    """The place: an attribute as `${attributes.name}`, or a part of the message as
    `${request.headers['X-Name']}`, `${request.uri.path}` or `${response.status}`.
    """
    value: TemplateText | None = None
    """A runtime expression; without it, and where it yields null, a header is removed."""


class _PlacedAssignment(NamedTuple):
    condition: PlacedCondition | None
    target: AssignmentTarget
    value: Template | None


class AssignmentFilter:
    """Assigns on the way in, on the way out, or both, in the order that is written.

    What no header field or URI can carry is refused: a request with 400, an answer with 502.
    """

    class Config(Settings):
        """The assignments. What a condition cannot decide is 500."""

        on_request: OneOrMore[Assignment] = ()
        """Assignments before the request goes on."""
        on_response: OneOrMore[Assignment] = ()
        """Assignments when the answer comes back."""

    def __init__(
        self,
        on_request: Sequence[_PlacedAssignment],
        on_response: Sequence[_PlacedAssignment],
        context: BuildContext,
    ) -> None:
        self._on_request = on_request
        self._on_response = on_response
        self._context = context
        self._is_of_head = all(
            (each.condition is None or each.condition.depends_on_head_alone)
            and (each.value is None or depends_on_head_alone(each.value.reads))
            for each in on_request
        )

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Place the conditions; what is not there yet, or any more, cannot be assigned to."""

        def place(assignments: Sequence[Assignment], key: str, other: str) -> Sequence[_PlacedAssignment]:
            placed: list[_PlacedAssignment] = []
            for index, each in enumerate(assignments):
                if each.target.message == other:
                    raise context.error(f"{key}/{index}/target", f"{key} cannot assign to the {other}")
                at = f"{key}/{index}/condition"
                condition = context.condition(each.condition, at) if each.condition else None
                placed.append(_PlacedAssignment(condition, each.target, each.value))
            return placed

        on_request = place(config.on_request, "onRequest", "response")
        return cls(on_request, place(config.on_response, "onResponse", "request"), context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Assign before, and after what is behind. Raises `Undecidable` or `ExpressionError`."""
        if head.exchange is None and not self._is_of_head:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        changed = head
        try:
            for each in self._on_request:
                if each.condition is None or each.condition.selects(changed):
                    changed = each.target.assign(changed, self._evaluate(each, changed, None))
        except (HeaderError, UriError) as error:
            fault = error
            return Plan.answering(head, lambda exchange: refuse_unsendable(exchange, fault, 400))
        plan = next(changed)
        if not self._on_response:
            return plan

        def amend(exchange: Exchange, response: Response) -> Response | Awaitable[Response]:
            try:
                for each in self._on_response:
                    at = changed.at(exchange)
                    if each.condition is None or each.condition.selects(at, response):
                        each.target.assign_answer(exchange, response, self._evaluate(each, at, response))
            except HeaderError as error:
                return self._refuse_answer(exchange, response, error)
            return response

        return plan.after(head, amend_for=lambda _: amend)

    def _evaluate(self, assignment: _PlacedAssignment, head: Head, response: Response | None) -> object:
        bindings = self._context.bindings(head, response)
        return None if assignment.value is None else assignment.value.evaluate(bindings)

    async def _refuse_answer(self, exchange: Exchange, response: Response, error: HeaderError) -> Response:
        await response.body.aclose()
        return refuse_unsendable(exchange, error, 502)
