"""Plans, which say what happens to every call with a head, and runs, which take one call through them."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar, Union

from deputize.http.exchange import Context, Ending, Exchange, Head
from deputize.http.messages import BodyTooLarge, KnownHead, Response, settle

Waited = TypeVar("Waited")
MOST_UNCONCERNED: Final = 16
Check: TypeAlias = Callable[[Exchange], Response | None]
"""Looks at one call: `None` to go on, or the answer."""
Amend: TypeAlias = Callable[[Exchange, Response], Response | Awaitable[Response]]
"""Changes the answer to one call, or gives another one instead."""
AmendFor: TypeAlias = Callable[[Response], Amend | None]
"""What is to be done with answers with this status and these fields; `None` for nothing. Looks no further."""
Observe: TypeAlias = Callable[[Exchange, Response], None]
"""Looks at the answer to one call. May put another body in its place, but leaves status and fields alone."""
Conclude: TypeAlias = Callable[[Exchange, Ending], None]
Outcome: TypeAlias = Union[Response, "Plan", Awaitable[Union[Response, "Plan"]], None]
"""The answer, or the plan to go on with, perhaps later. `None`: `Run.answered` will be called."""
End: TypeAlias = Callable[["Run"], Outcome]


class Lease:
    """How long something holds that a plan was made from.

    Whoever leases it ends it when it changes; what was prepared with it is then prepared anew.
    """

    __slots__ = ("begins", "ends", "used")

    def __init__(self, ends: float = math.inf, begins: float = -math.inf) -> None:
        """`begins` and `ends` in seconds since the epoch: a clock that is set back prolongs nothing."""
        self.begins = begins
        self.ends = ends
        self.used = False
        """Whether a remembered plan has been used since somebody set this to `False`."""

    def end(self) -> None:
        """Let no plan be used that was made with it."""
        self.ends = -math.inf


class CallStep(NamedTuple):
    """What one filter does with each call. Most filters need none of it, for they only change the head."""

    head: Head
    """As the filter found it."""
    check: Check | None = None
    """On the way in, in the order of the filters."""
    body_limit: int | None = None
    """`check` needs the request's body. At most so many bytes are waited for; of a longer one it finds none.

    One that came with the head is there whatever its length.
    """
    amend_for: AmendFor | None = None
    """On the way out, in reverse order."""
    observe: Observe | None = None
    """On the way out as well, after `amend_for`."""
    ending: Conclude | None = None
    """When the exchange ends, if it came as far as this step."""


class Plan:
    """Steps in the order of the filters, and what answers in the end."""

    __slots__ = (
        "amends",
        "checks",
        "depth",
        "end",
        "endings",
        "head",
        "is_arranged",
        "leases",
        "observers",
        "steps",
        "unconcerned",
    )

    def __init__(
        self,
        end: End,
        head: Head,
        steps: tuple[CallStep, ...] = (),
        leases: tuple[Lease, ...] = (),
    ) -> None:
        """`head` is what the filters have made of it."""
        self.end = end
        self.head = head.for_all()  # or the call it was prepared for would lead to itself
        self.steps = steps
        self.depth = len(steps)
        self.leases = leases
        self.is_arranged = False

    def arrange(self) -> None:
        """Sort the steps by what they do, before the first call is taken through.

        Not when they are put together: each filter makes another plan of what is behind it.
        """
        steps = [*enumerate(self.steps)]
        self.checks = tuple(
            [(depth, step.head, step.check, step.body_limit) for depth, step in steps if step.check]
        )
        self.amends = tuple(
            [
                (depth, step.amend_for, step.observe)
                for depth, step in reversed(steps)
                if step.amend_for or step.observe
            ]
        )
        self.endings = tuple([step.ending for _, step in steps if step.ending])
        self.observers = tuple([observe for _, _, observe in self.amends if observe])
        self.unconcerned: set[int] = set()
        """The numbers of the known heads of answers that no `amend_for` has anything to do with."""
        self.is_arranged = True

    def leaves_alone(self, known: KnownHead, response: Response) -> bool:
        """Whether no `amend_for` has anything to do with answers that have the `known` head."""
        if any(amend_for is not None and amend_for(response) for _, amend_for, _ in self.amends):
            return False
        if len(self.unconcerned) >= MOST_UNCONCERNED:
            self.unconcerned.clear()
        self.unconcerned.add(known.number)
        return True

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
        ending: Conclude | None = None,
    ) -> "Plan":
        """Return this plan behind a step of the filter that found `head`."""
        step = CallStep(head.for_all(), check, body_limit, amend_for, observe, ending)
        return Plan(self.end, self.head, (step, *self.steps), self.leases)

    def while_(self, lease: Lease) -> "Plan":
        """Return this plan, to be remembered no longer than `lease` holds."""
        return Plan(self.end, self.head, self.steps, (lease, *self.leases))

    def find(self, kind: type[Context]) -> Context | None:
        """Return the context of that class, or `None`."""
        return self.head.find(kind)


Answered: TypeAlias = Callable[[Response | Exception], None]


class Underway(Protocol):
    """A request under way to an upstream."""

    def give_up(self) -> None:
        """End it, for nobody waits for the answer any longer."""
        ...


class Abandoned(Exception):
    """The client has left before its call was answered."""


class Run:
    """Takes one call through plans and hands over the answer, or what went wrong, exactly once.

    Needs neither task nor future unless something has to be waited for.
    """

    __slots__ = (
        "_answered",
        "_depth",
        "_has_read",
        "_joined",
        "_outer",
        "_plan",
        "_task",
        "_waiting",
        "exchange",
        "sending",
    )

    def __init__(self, exchange: Exchange, answered: Answered) -> None:
        """Call `answered` in the end, after `start` has been called."""
        self.exchange = exchange
        self.sending: Underway | None = None
        """Set by the end of a plan that has sent the call up and returned `None`."""
        self._answered: Answered | None = answered
        self._task: asyncio.Task[None] | None = None
        self._plan: Plan | None = None
        self._depth = 0
        self._joined = 0
        """How many of the plan's steps have their endings among those of the exchange."""
        self._outer: list[Plan] | None = None
        self._has_read = False
        self._waiting: tuple[Awaitable[Any], Callable[[Any], None]] | None = None

    def start(self, plan: Plan) -> None:
        """Begin with `plan`, or go on with it behind those that came before.

        Raises nothing: failures are handed over.
        """
        try:
            if self._plan is not None:
                self._outer = [*(self._outer or ()), self._plan]
                self._joined = 0
            if not plan.is_arranged:
                plan.arrange()
            self._plan = plan
            self._depth = plan.depth
            self._check(plan, 0)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            self._finish(error)

    def answered(self, outcome: Response | Exception) -> None:
        """Take the answer of the plan's end, or its failure."""
        self.sending = None
        if isinstance(outcome, Exception):
            self._finish(outcome)
            return
        try:
            self._amend(outcome)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            self._finish(error)

    def cancel(self) -> asyncio.Task[None] | None:
        """Give up, for the client has left, and hand over `Abandoned`. Returns the task that ends, if any.

        A handler that outlives its client goes on, and hands over what it answers.
        """
        task, sending, waiting = self._task, self.sending, self._waiting
        if task is not None:
            if self.exchange.outlives_client:  # and has begun: it said so
                return task
            task.cancel()
            if waiting is None:
                return task  # which hands over when it has ended
            # a task that is cancelled before it begins never reaches its end
            self._waiting = None
            if isinstance(waiting[0], Coroutine):
                waiting[0].close()
        elif sending is not None:
            self.sending = None
            sending.give_up()
        self._finish(Abandoned())
        return None

    def _check(self, plan: Plan, begin: int) -> None:
        """Run the checks from number `begin` on, and then what answers."""
        exchange = self.exchange
        for depth, head, check, limit in plan.checks[begin:] if begin else plan.checks:
            exchange.reached = head
            if limit is not None and exchange.body.buffered is None and not self._has_read:
                self._join(plan, depth + 1)
                self._wait(self._read_body(limit), partial(self._check_read, plan, begin))
                return
            try:
                answer = check(exchange)
            except Exception:
                self._join(plan, depth + 1)
                raise
            if answer is not None:
                self._join(plan, depth + 1)
                self._depth = depth
                self._amend(answer)
                return
            begin += 1
        exchange.reached = plan.head
        if self._joined:
            self._join(plan, plan.depth)
        else:
            exchange.endings += plan.endings
        outcome = plan.end(self)
        if outcome is not None:
            self._take(outcome)

    def _join(self, plan: Plan, depth: int) -> None:
        """Note the endings of the first `depth` steps: the call came no further, or not yet."""
        steps, self._joined = plan.steps[self._joined : depth], depth
        self.exchange.endings += [step.ending for step in steps if step.ending is not None]

    def _take(self, outcome: Response | Plan | Awaitable[Response | Plan]) -> None:
        if isinstance(outcome, Response):
            self._amend(outcome)
        elif isinstance(outcome, Plan):
            self.start(outcome)
        else:
            self._wait(outcome, self._take)

    def _amend(self, response: Response) -> None:
        """Let the filters that have passed the call on change or observe the answer, and hand it over."""
        plan = self._plan
        while plan is not None:
            known = response.known if plan.amends and self._depth == plan.depth else None
            if known is not None and (known.number in plan.unconcerned or plan.leaves_alone(known, response)):
                for observe in plan.observers:
                    observe(self.exchange, response)
            else:
                for depth, amend_for, observe in plan.amends:
                    if depth >= self._depth:
                        continue
                    self._depth = depth
                    amend = None if amend_for is None else amend_for(response)
                    if amend is not None:
                        amended = amend(self.exchange, response)
                        if not isinstance(amended, Response):
                            self._wait(amended, partial(self._go_on_amending, observe))
                            return
                        response = amended
                    if observe is not None:
                        observe(self.exchange, response)
            plan = self._plan = self._outer.pop() if self._outer else None
            if plan is not None:
                self._depth = plan.depth
        self._finish(response)

    # What has to be waited for.

    def _wait(self, awaited: Awaitable[Waited], go_on: Callable[[Waited], None]) -> None:
        """Await in the task of this run, and go on with what comes."""
        self._waiting = (awaited, go_on)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._go())

    async def _go(self) -> None:
        try:
            while self._waiting is not None:
                (awaited, go_on), self._waiting = self._waiting, None
                go_on(await awaited)
        except asyncio.CancelledError:
            # Nobody awaits this task. One that ends as cancelled keeps the frames it was cancelled in, and
            # these may lead to it.
            self._finish(Abandoned())
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            self._finish(error)
        finally:
            self._task = None

    async def _read_body(self, limit: int) -> None:
        self._has_read = True
        with contextlib.suppress(BodyTooLarge):  # the check finds none then
            await self.exchange.body.read(limit)

    def _check_read(self, plan: Plan, begin: int, _: None) -> None:
        self._check(plan, begin)

    def _go_on_amending(self, observe: Observe | None, response: Response) -> None:
        if observe is not None:
            observe(self.exchange, response)
        self._amend(response)

    def _finish(self, outcome: Response | Exception) -> None:
        answered, self._answered = self._answered, None
        self._plan = self._outer = None
        if answered is not None:
            answered(outcome)


async def answer(plan: Plan, exchange: Exchange) -> Response:
    """Return the answer of `plan` to a call, where it has to be waited for. Raises what went wrong."""
    waiter: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    run = Run(exchange, partial(settle, waiter))
    run.start(plan)
    try:
        return await waiter
    except asyncio.CancelledError:
        run.cancel()
        raise
    finally:
        del waiter  # a failure's traceback leads to this frame, and the future holds the failure
