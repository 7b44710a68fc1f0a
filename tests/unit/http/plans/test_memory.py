"""Which heads are remembered as one, for how long, and in how much memory."""

import gc
import math
import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st

from deputize.http.exchange import Head, Readings
from deputize.http.plans import Lease, Plan, PlanMemory
from deputize.http.plans.memory import FIELD_BYTES, PLAN_BYTES, Cut, mark_varying
from deputize.http.plans.memory import cut as cut_parts
from support.examples import examples
from support.gateway import exchange_for

NAMES = [
    b"Host",
    b"Mcp-Name",
    b"mcp-name",
    b"traceparent",
    b"Content-Length",
    b"Mcp-Param-x",
    b"Mcp-Param-",
    b"X",
]
VALUES = [b"a", b"b", b"", b" a", b"a ", b"a b", b"\xe4", b"Mcp-Name: a", b"Host", b"x" * 2048, b"x" * 2049]
LINES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([b": ", b":"]), st.sampled_from(VALUES)))


def cut(ends, head):
    return Cut(*cut_parts(ends, head))


def head_of(lines):
    return b"GET / HTTP/1.1\r\n" + b"".join(b"%b%b%b\r\n" % line for line in lines) + b"\r\n"


@given(LINES, LINES)
@example(one=[(b"Mcp-Name", b":", b" a")], other=[(b"Mcp-Name", b": ", b"b")])
def test_heads_with_one_key_differ_in_the_values_that_are_cut_out_only(one, other):
    first, second = cut(b"ends", head_of(one)), cut(b"ends", head_of(other))
    if first.key != second.key:
        return
    assert len(first.values) == len(second.values)
    put = head_of(one).replace(b"%", b"%%")
    assert len(put) - sum(map(len, first.values)) == len(head_of(other)) - sum(map(len, second.values))
    rest = iter(second.values)
    again = [
        (name, b": ", next(rest)) if name != b"Host" and is_cut(name, joint, value) else (name, joint, value)
        for name, joint, value in one
    ]
    assert head_of(again) == head_of(other)


def is_cut(name, joint, value):
    return cut(b"", b"\r\n%b%b%b\r\n\r\n" % (name, joint, value)).values != []


@given(LINES)
def test_one_key_is_for_one_pair_of_ends(lines):
    keys = {cut(ends, head_of(lines)).key for ends in (b"a b 1", b"a b 2", b"c b 1")}
    assert len(keys) == 3


@given(LINES)
def test_no_field_of_a_name_that_varies_is_remembered_in_another_form(lines):
    """Its value would be taken for every call's."""
    taken = cut(b"", head_of(lines))
    fields = [(name, value.strip(b" ")) for name, _, value in lines]
    marked = mark_varying(fields, taken, Readings())
    varying = [name for name, _ in fields if name not in {b"Host", b"X", b"Mcp-Param-"}]
    if b"Mcp-Param-" not in {name for name, _ in fields}:
        assert (marked is not None) is (len(taken.values) == len(varying))
    if marked is not None:
        assert marked == fields


def planned(size=0, lease=None):
    request = exchange_for(headers=[("X", "x" * size)] if size else ()).request
    head = Head.of(request, exchange_for().peer)
    plan = Plan.answering(head, lambda _: None)
    return head, plan if lease is None else plan.while_(lease)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), st.sampled_from("abcde"), st.sampled_from([math.inf, 5, 20])),
        st.tuples(st.just("recall"), st.sampled_from("abcde"), st.none()),
        st.tuples(st.just("end"), st.sampled_from("abcde"), st.none()),
        st.tuples(st.just("pass"), st.just(""), st.sampled_from([1, 4, 5, 20, -3])),
    ),
    max_size=40,
)


@given(OPERATIONS, st.integers(min_value=0, max_value=8), st.sampled_from([1 << 30, 3 * PLAN_BYTES, 1]))
def test_what_is_recalled_was_kept_last_and_none_of_its_leases_has_ended(operations, most, most_bytes):
    memory, now = PlanMemory(most, most_bytes), 0.0
    kept = {}
    for operation, name, value in operations:
        key = (name.encode(),)
        if operation == "keep":
            lease = Lease(now + value, now)
            head, plan = planned(lease=lease)
            memory.keep(key, head, plan, ())
            kept[name] = plan, (now, now + value), lease
        elif operation == "recall":
            known = memory.recall(key, now)
            if known is not None:
                plan, (begins, ends), lease = kept[name]
                assert known.plan is plan
                assert begins <= now < ends
                assert lease.used
        elif operation == "end" and name in kept:
            plan, _, lease = kept[name]
            lease.end()
            kept[name] = plan, (0, -math.inf), lease
        else:
            now += value or 0
        remembered = [*memory._young.values(), *memory._old.values()]
        assert len(remembered) <= most
        assert memory._bytes == sum(known.size for known in memory._young.values())
        assert sum(known.size for known in remembered) <= max(most_bytes, 2 * (PLAN_BYTES + FIELD_BYTES))


def test_a_million_heads_take_no_more_memory_than_allowed_and_leave_the_hot_ones():
    count = examples(1_000_000)
    memory = PlanMemory(2000, 64 * 1024 * 1024)
    head, plan = planned()
    hot = [(b"ends", b"hot %d" % number) for number in range(50)]
    for key in hot:
        memory.keep(key, head, plan, ())
    missed = 0
    for number in range(count):
        memory.keep((b"ends", b"GET /%d HTTP/1.1" % number), head, plan, ())
        if number % 10 == 0:
            missed += memory.recall(hot[number // 10 % len(hot)], 0.0) is None
        assert len(memory._young) <= 1000
    assert len(memory._old) <= 1000
    assert missed == 0


def test_plans_of_large_heads_are_bounded_by_their_bytes():
    most = 4 * 1024 * 1024
    memory = PlanMemory(1_000_000, most)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(500):
            head, plan = planned(size=4000)
            memory.keep((b"GET /%d" % number + b"x" * 4000,), head, plan, ())
        assert tracemalloc.get_traced_memory()[0] < most
    finally:
        tracemalloc.stop()
    assert len(memory._young) + len(memory._old) > 50


def test_a_head_of_one_call_only_is_not_remembered():
    memory = PlanMemory()
    head, plan = planned()
    head.readings.of_call = True
    memory.keep((b"a",), head, plan, ())
    assert memory.recall((b"a",), 0.0) is None


def test_a_proof_signed_with_rsa_is_cut_out_whole():
    """It has some 1,100 characters (RFC 9449) and is another one in each call."""
    _, names, values = cut(b"", b"POST / HTTP/1.1\r\nHost: a\r\nDPoP: " + b"p" * 1112 + b"\r\n\r\n")
    assert (list(names), list(values)) == ([b"DPoP"], [b"p" * 1112])
