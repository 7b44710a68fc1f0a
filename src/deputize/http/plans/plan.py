"""Plans: what happens to every call with a head."""

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, Union

from deputize.http.exchange import Context, Exchange, Head
from deputize.http.messages import Response

if TYPE_CHECKING:
    from deputize.http.plans.run import Run

Check: TypeAlias = Callable[[Exchange], Response | None]
"""Looks at one call: `None` to go on, or the answer."""
Amend: TypeAlias = Callable[[Exchange, Response], Response | Awaitable[Response]]
"""Changes the answer to one call, or gives another one instead."""
AmendFor: TypeAlias = Callable[[Response], Amend | None]
"""What is to be done with answers with this status and these fields; `None` for nothing. Looks no further."""
Observe: TypeAlias = Callable[[Exchange, Response], None]
"""Looks at the answer to one call. May put another body in its place, but leaves status and fields alone."""
Outcome: TypeAlias = Union[Response, "Plan", Awaitable[Union[Response, "Plan"]], None]
"""The answer, or the plan to go on with, perhaps later. `None`: `Run.answered` will be called."""
End: TypeAlias = Callable[["Run"], Outcome]


class Lease:
    """How long something holds that a plan was made from.

    Whoever leases it ends it when it changes; what was prepared with it is then prepared anew.
    """

    __slots__ = ("ends", "used")

    def __init__(self, ends: float = math.inf) -> None:
        """`ends` in seconds since the epoch."""
        self.ends = ends
        self.used = False
        """Whether a remembered plan has been used since somebody set this to `False`."""

    def end(self) -> None:
        """Let no plan be used that was made with it."""
        self.ends = -math.inf


class Step(NamedTuple):
    """What one filter does with each call. Most filters need none of it, for they only change the head."""

    head: Head
    """As the filter found it."""
    check: Check | None = None
    """On the way in, in the order of the filters."""
    body_limit: int | None = None
    """`check` needs the request's body, of at most so many bytes; of a longer one it finds no `buffered`."""
    amend_for: AmendFor | None = None
    """On the way out, in reverse order."""
    observe: Observe | None = None
    """On the way out as well, after `amend_for`."""


class Plan:
    """Steps in the order of the filters, and what answers in the end."""

    __slots__ = ("amends", "checks", "end", "head", "leases", "observers", "steps", "unconcerned")

    def __init__(
        self,
        end: End,
        head: Head,
        steps: tuple[Step, ...] = (),
        leases: tuple[Lease, ...] = (),
    ) -> None:
        """`head` is what the filters have made of it."""
        self.end = end
        self.head = head.for_all()  # or the call it was prepared for would lead to itself
        self.steps = steps
        self.leases = leases
        self.checks = tuple(
            (depth, step.head, step.check, step.body_limit)
            for depth, step in enumerate(steps)
            if step.check is not None
        )
        self.amends = tuple(
            (depth, step.amend_for, step.observe)
            for depth, step in reversed([*enumerate(steps)])
            if step.amend_for is not None or step.observe is not None
        )
        self.observers = tuple(observe for _, _, observe in self.amends if observe is not None)
        self.unconcerned: set[int] = set()
        """The numbers of the known heads of answers that no `amend_for` has anything to do with."""

    @classmethod
    def answering(cls, head: Head, answer: Callable[[Exchange], Response | Awaitable[Response]]) -> "Plan":
        """Return the plan in which `answer` answers each call."""

        def end(run: "Run") -> Outcome:
            return answer(run.exchange)

        return cls(end, head)

    @classmethod
    def anew(cls, head: Head, prepare: Callable[[Head], Union["Plan", Awaitable["Plan"]]]) -> "Plan":
        """Return the plan whose rest is prepared for each call, for it does not depend on the head alone.

        `prepare` gets the head with what the steps before it have left, and may wait.
        """

        def end(run: "Run") -> Outcome:
            return prepare(head.at(run.exchange))

        return cls(end, head)

    @classmethod
    def failing(cls, head: Head, error: Exception) -> "Plan":
        """Return the plan of one call for which preparing has failed."""
        head.readings.of_call = True

        def end(_: "Run") -> Outcome:
            raise error

        return cls(end, head)

    def after(
        self,
        head: Head,
        *,
        check: Check | None = None,
        body_limit: int | None = None,
        amend_for: AmendFor | None = None,
        observe: Observe | None = None,
    ) -> "Plan":
        """Return this plan behind a step of the filter that found `head`."""
        step = Step(head.for_all(), check, body_limit, amend_for, observe)
        return Plan(self.end, self.head, (step, *self.steps), self.leases)

    def while_(self, lease: Lease) -> "Plan":
        """Return this plan, to be remembered no longer than `lease` holds."""
        return Plan(self.end, self.head, self.steps, (lease, *self.leases))

    def find(self, kind: type[Context]) -> Context | None:
        """Return the context of that class, or `None`."""
        return self.head.find(kind)
