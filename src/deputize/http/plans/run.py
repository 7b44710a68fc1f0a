"""A run: one call on its way through plans."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from deputize.http.exchange import Exchange
from deputize.http.messages import BodyTooLarge, Response
from deputize.http.plans.plan import Observe, Outcome, Plan

Waited = TypeVar("Waited")
MOST_UNCONCERNED: Final = 64
Answered: TypeAlias = Callable[[Response | Exception], None]


class Sending(Protocol):
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
        self.sending: Sending | None = None
        """Set by the end of a plan that has sent the call up and returned `None`."""
        self._answered: Answered | None = answered
        self._task: asyncio.Task[None] | None = None
        self._plan: Plan | None = None
        self._depth = 0
        self._outer: list[Plan] | None = None
        self._has_read = False
        self._waiting: tuple[Awaitable[Any], Callable[[Any], None]] | None = None

    def start(self, plan: Plan) -> None:
        """Begin. Raises nothing: failures are handed over."""
        try:
            self._enter(plan)
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
        """Give up, for the client has left, and hand over `Abandoned`. Returns the task that ends, if any."""
        task, sending, waiting = self._task, self.sending, self._waiting
        if task is not None:
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

    def _enter(self, plan: Plan) -> None:
        """Go on with `plan`, behind those entered before."""
        if self._plan is not None:
            self._outer = [*(self._outer or ()), self._plan]
        self._plan = plan
        self._depth = len(plan.steps)
        self._check(plan, 0)

    def _check(self, plan: Plan, begin: int) -> None:
        """Run the checks from number `begin` on, and then what answers."""
        exchange = self.exchange
        for depth, head, check, limit in plan.checks[begin:] if begin else plan.checks:
            exchange.reached = head
            if limit is not None and exchange.body.buffered is None and not self._has_read:
                self._wait(self._read_body(limit), partial(self._check_read, plan, begin))
                return
            answer = check(exchange)
            if answer is not None:
                self._depth = depth
                self._amend(answer)
                return
            begin += 1
        exchange.reached = plan.head
        self._take(plan.end(self))

    def _take(self, outcome: Outcome) -> None:
        if outcome is None:
            return
        if isinstance(outcome, Response):
            self._amend(outcome)
        elif isinstance(outcome, Plan):
            self._enter(outcome)
        else:
            self._wait(outcome, self._take)

    def _amend(self, response: Response) -> None:
        """Let the filters that have passed the call on change or observe the answer, and hand it over."""
        plan = self._plan
        while plan is not None:
            if plan.amends and not self._pass_unconcerned(plan, response):
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
                self._depth = len(plan.steps)
        self._finish(response)

    def _pass_unconcerned(self, plan: Plan, response: Response) -> bool:
        """Whether no `amend_for` of the plan concerns such an answer; observers have seen it then."""
        known = response.known
        if known is None or self._depth < len(plan.steps):
            return False
        if known.number not in plan.unconcerned:
            if any(amend_for is not None and amend_for(response) for _, amend_for, _ in plan.amends):
                return False
            if len(plan.unconcerned) >= MOST_UNCONCERNED:
                plan.unconcerned.clear()
            plan.unconcerned.add(known.number)
        for observe in plan.observers:
            observe(self.exchange, response)
        return True

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
    run = Run(exchange, partial(_settle, waiter))
    run.start(plan)
    try:
        return await waiter
    except asyncio.CancelledError:
        run.cancel()
        raise
    finally:
        del waiter  # a failure's traceback leads to this frame, and the future holds the failure


def _settle(waiter: "asyncio.Future[Response]", outcome: Response | Exception) -> None:
    if waiter.done():
        return
    if isinstance(outcome, Exception):
        waiter.set_exception(outcome)
    else:
        waiter.set_result(outcome)
