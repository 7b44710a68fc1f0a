"""One call's way through plans: what each step sees, and that its end is handed over once."""

import asyncio
from dataclasses import dataclass

from deputize.http.exchange import Head
from deputize.http.messages import Body, Headers, KnownHead, Response
from deputize.http.plans import Plan, Run, answer
from deputize.http.plans.plan import Abandoned
from deputize.kernel.beginning import begin
from support.gateway import exchange_for


@dataclass
class Mark:
    of: str


def head_of(exchange):
    return Head.of(exchange.request, exchange.peer)


def answering(head, status=200, **fields):
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    return Plan.answering(head, lambda _: Response(status, Headers(headers)))


async def test_a_step_sees_no_context_that_is_left_behind_it():
    exchange = exchange_for()
    seen = []

    def look(exchange):
        seen.append((exchange.find(Mark), head.at(exchange).find(Mark)))

    head = head_of(exchange)
    behind = answering(head.with_context(Mark("behind")))
    await answer(behind.after(head, check=look), exchange)
    assert seen == [(None, None)]
    assert exchange.find(Mark) == Mark("behind")


async def test_one_that_answers_has_reached_no_further():
    exchange = exchange_for()
    head = head_of(exchange)
    behind = answering(head.with_context(Mark("behind")))
    response = await answer(behind.after(head, check=lambda _: Response(400)), exchange)
    assert response.status == 400
    assert exchange.find(Mark) is None


async def test_what_is_prepared_anew_amends_before_what_was_prepared_once():
    order = []

    def noting(name):
        def amend(_, response):
            order.append(name)
            return response

        return amend

    def within(name, plan):
        return plan.after(plan.head, amend_for=lambda _: noting(name))

    exchange = exchange_for()
    head = head_of(exchange)
    inner = Plan.anew(head, lambda at: within("innermost", answering(at)))
    middle = Plan.anew(head, lambda at: within("inner", Plan(inner.end, at)))
    await answer(within("outer", within("middle", middle)), exchange)
    assert order == ["innermost", "inner", "middle", "outer"]


async def test_of_heads_of_answers_only_numbers_are_kept():
    """An upstream may send any number of heads, and each plan meets them."""
    head = head_of(exchange_for())
    plan = answering(head)
    known = KnownHead(200, [(b"Content-Length", b"0")], 0, None)
    plan = Plan.answering(head, lambda _: Response(200, Headers.of_known(known, b"0", None)))
    looked = []
    plan = plan.after(head, amend_for=looked.append)
    for _ in range(3):
        await answer(plan, exchange_for())
    assert len(looked) == 1
    assert plan.unconcerned == {known.number}


async def test_every_moment_of_giving_up_is_handed_over_once():
    """Before a task begins, while the body is read, while it is prepared, while the answer is changed."""

    async def pause(exchange):
        await asyncio.sleep(0)
        return exchange

    async def chunks():
        await asyncio.sleep(0)
        yield b"x"
        await asyncio.sleep(0)

    async def prepare(at):
        await pause(at)
        return answering(at)

    async def amend(_, response):
        return await pause(response)

    moments = set()
    for turns in range(12):
        exchange = exchange_for()
        exchange.body = Body(None, chunks())
        head = head_of(exchange)
        plan = Plan.anew(head, prepare).after(
            head, check=lambda _: None, body_limit=10, amend_for=lambda _: amend
        )
        outcomes = []
        run = Run(exchange, outcomes.append)
        run.start(plan)
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = bool(outcomes)
        run.cancel()
        for _ in range(12):
            await asyncio.sleep(0)
        run.cancel()
        assert len(outcomes) == 1
        assert isinstance(outcomes[0], Response if ended else Abandoned)
        moments.add(ended)
    assert moments == {True, False}


def noted(plan, head, **step):
    """The plan behind a step whose ending is noted in the list that comes back."""
    ended = []
    return ended, plan.after(head, ending=lambda *_: ended.append(True), **step)


def fail(_):
    raise ValueError("a check fails")


async def test_a_step_ends_only_if_the_call_came_as_far_as_that():
    async def nothing_comes():
        await asyncio.Event().wait()
        yield b""

    for outer, abandons in [
        ({"check": lambda _: Response(400)}, False),
        ({"check": fail}, False),
        ({"check": lambda _: None, "body_limit": 10}, True),
    ]:
        exchange = exchange_for()
        if abandons:
            exchange.body = Body(None, nothing_comes())
        head = head_of(exchange)
        inner_ended, plan = noted(answering(head), head, check=lambda _: None)
        outer_ended, plan = noted(plan, head, **outer)
        first_ended, plan = noted(plan, head)
        outcomes = []
        run = Run(exchange, outcomes.append)
        run.start(plan)
        await asyncio.sleep(0)
        run.cancel()
        await asyncio.sleep(0)
        assert len(outcomes) == 1
        for ending in exchange.endings:
            ending(exchange, None)
        assert (first_ended, outer_ended, inner_ended) == ([True], [True], [])


async def test_each_step_ends_once_also_after_waiting_for_the_body():
    async def chunks():
        await asyncio.sleep(0)
        yield b"x"

    exchange = exchange_for()
    exchange.body = Body(None, chunks())
    head = head_of(exchange)
    inner_ended, plan = noted(answering(head), head)
    middle_ended, plan = noted(plan, head, check=lambda _: None, body_limit=10)
    outer_ended, plan = noted(plan, head, check=lambda _: None)
    rest_ended, rest = noted(plan, head)
    await answer(Plan.anew(head, lambda _: rest), exchange)
    for ending in exchange.endings:
        ending(exchange, None)
    assert [rest_ended, outer_ended, middle_ended, inner_ended] == [[True]] * 4


async def test_what_outlives_its_client_and_has_begun_goes_on_before_its_task_does():
    exchange, outcomes = exchange_for("/"), []
    written = asyncio.get_running_loop().create_future()

    async def handle(each):
        each.outlives_client = True
        await written
        return Response(204)

    run = Run(exchange, outcomes.append)
    run.start(Plan.answering(head_of(exchange), lambda each: begin(handle(each))))
    task = run.cancel()
    written.set_result(None)
    await task
    assert [each.status for each in outcomes] == [204]


async def test_steps_are_sorted_once_however_many_filters_there_are():
    """Each filter makes a plan of the one behind it: sorting in each would take a quarter of preparing."""
    head = head_of(exchange_for())
    inner = answering(head)
    plan = inner
    for _ in range(5):
        plan = plan.after(head, check=lambda _: None)
    assert not inner.is_arranged
    assert not plan.is_arranged
    await answer(plan, exchange_for())
    checks = plan.checks
    await answer(plan, exchange_for())
    assert plan.checks is checks
    assert not inner.is_arranged
