"""Conditions on exchanges: what follows when one is true, false, or cannot be decided."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, cast

import structlog

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import Condition
from deputize.gateway.config.settings import explain
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.contexts import RefusalContext
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.kernel.errors import DeputizeError, Position

log = structlog.get_logger()
_MOST_REPORTS: Final = 16
_ABSENT_WHEN_ALL_IS_WELL: Final = RefusalContext.binding_name
Bind = Callable[[Exchange | Head, Response | None], Mapping[str, object]]


class Undecidable(DeputizeError):
    """A condition cannot be evaluated, or compares something in a context that nothing has left.

    Neither branch is safe to take, so the exchange is answered 500.
    """


class PlacedCondition:
    """A condition that reports what it cannot decide with its position in the configuration, once a cause."""

    __slots__ = ("_bind", "_condition", "_is_of_head", "_position", "_reported")

    def __init__(self, condition: Condition, position: Position, bind: Bind) -> None:
        """`bind` gives what expressions see of an exchange."""
        self._condition = condition
        self._position = position
        self._bind = bind
        self._reported: set[str] = set()
        self._is_of_head = depends_on_head_alone(condition.template.reads)

    @property
    def source(self) -> str:
        """The condition as written."""
        return self._condition.template.source

    @property
    def reads(self) -> AbstractSet[tuple[str, ...]]:
        """The names it reads, such as `("contexts", "oauth2", "accessToken")`."""
        return self._condition.template.reads.keys()

    @property
    def depends_on_head_alone(self) -> bool:
        """Whether it can be decided once for all calls with one head."""
        return self._is_of_head

    def permits(self, subject: Exchange | Head, response: Response | None = None) -> bool:
        """Whether it is true; one that compares something missing, or cannot be evaluated, is not."""
        bindings = self._bind(subject, response)
        try:
            decided = self._condition.decide(bindings)
        except ExpressionError as error:
            self._report(explain(error))
            return False
        if decided is None:
            self._report(f"it compares what is missing: {', '.join(self._condition.absent(bindings))}")
        return decided is True

    def selects(self, subject: Exchange | Head, response: Response | None = None) -> bool:
        """Whether it is true, where an absent header or claim equals nothing and differs from everything.

        The operator is told once what was absent: it may be a name that is written wrong. Raises
        `Undecidable`.
        """
        bindings = self._bind(subject, response)
        try:
            decided = self._condition.decide(bindings)
            if decided is not None:
                return decided
            lost = self._find_lost(bindings)
            if not lost:
                absent = ", ".join(self._condition.absent(bindings))
                if self._is_news(absent):
                    log.info(
                        "a condition compares what is missing, which differs from everything",
                        place=str(self._position),
                        missing=absent,
                    )
                return self._condition.holds(bindings)
        except ExpressionError as error:
            raise Undecidable(
                f"the condition at {self._position} cannot be evaluated: {explain(error)}"
            ) from error
        raise Undecidable(
            f"the condition at {self._position} compares what no filter before it has left: {lost}"
        )

    def accepts(self, subject: Exchange | Head) -> bool:
        """Like `selects` for a route, but false for `Undecidable`: another route may take the exchange."""
        try:
            return self.selects(subject)
        except Undecidable as error:
            self._report(str(error))
            return False

    def _find_lost(self, bindings: Mapping[str, object]) -> str:
        """The bindings and contexts it reads that are not there at all, as names."""
        contexts = cast("Mapping[str, object]", bindings["contexts"])
        expected = {_ABSENT_WHEN_ALL_IS_WELL, *contexts}
        lost: dict[str, None] = {}
        for name, *rest in self._condition.template.reads:
            if bindings.get(name) is None:
                lost[name] = None
            elif name in {"contexts", "context"} and rest and rest[0] not in expected:
                lost[f"{name}.{rest[0]}"] = None
        return ", ".join(lost)

    def _report(self, reason: str) -> None:
        if self._is_news(reason):
            log.warning("a condition counts as false", place=str(self._position), reason=reason)

    def _is_news(self, reason: str) -> bool:
        """Whether `reason` has not been reported yet; at most 16 are, so that no client fills the log."""
        if reason in self._reported or len(self._reported) >= _MOST_REPORTS:
            return False
        self._reported.add(reason)
        return True
