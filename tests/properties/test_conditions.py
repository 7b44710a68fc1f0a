"""A deny rule never fails open.

What a condition permits without a value, it permits with any value in its place.
"""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import compile_condition
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.kernel.errors import Position
from support.examples import examples

PATHS = st.sampled_from(["a", "b", "c.d", "c['e']", "list[0]"])
WORDS = st.sampled_from(["'danger'", "'other'", "''", "5", "true", "false"])
VALUES = st.sampled_from(
    ["danger", "other", "", 5, 0, -1, True, False, ["danger"], {"danger": "danger"}, None]
)
OPERANDS = st.one_of(
    PATHS,
    WORDS,
    st.builds(
        "{}({})".format,
        st.sampled_from(["toLowerCase", "toString", "trim", "length", "bool", "encodeBase64"]),
        PATHS,
    ),
    st.builds("indexOf({}, {})".format, PATHS, WORDS),
    st.builds("join(array({}, {}), '-')".format, PATHS, WORDS),
    st.builds("{}.concat({})".format, PATHS, WORDS),
)
COMPARISONS = st.one_of(
    PATHS,
    st.builds(
        "{} {} {}".format,
        OPERANDS,
        st.sampled_from(["==", "!=", "eq", "ne", "<", ">=", "lt", "ge"]),
        OPERANDS,
    ),
    st.builds(
        "{}({}, {})".format,
        st.sampled_from(["find", "matches", "matchesWithRegex", "contains"]),
        OPERANDS,
        st.just("'danger'"),
    ),
    st.builds("contains(array('danger', 'x'), {})".format, OPERANDS),
    st.builds(
        "{}.{}('danger')".format,
        PATHS,
        st.sampled_from(["startsWith", "endsWith", "matches", "equalsIgnoreCase", "contains"]),
    ),
)


def combined(inner):
    return st.one_of(
        st.builds("!({})".format, inner),
        st.builds("not ({})".format, inner),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["&&", "||", "and", "or"]), inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["==", "!="]), inner),
        st.builds("({} ? 'danger' : 'other') != 'danger'".format, inner),
        st.builds("toString({}) != 'true'".format, inner),
    )


CONDITIONS = st.recursive(COMPARISONS, combined, max_leaves=6).map(lambda text: "${" + text + "}")


def bindings(values):
    """Bindings with the values that are not `None`."""
    there = {name: value for name, value in values.items() if value is not None}
    inner = {name: there.pop(name) for name in ("d", "e") if name in there}
    first = there.pop("first", None)
    return {**there, **({"c": inner} if inner else {}), **({"list": [first]} if first is not None else {})}


SOME = st.fixed_dictionaries(dict.fromkeys(("a", "b", "d", "e", "first"), VALUES))


def permitted(condition, values):
    placed = PlacedCondition(compile_condition(condition), Position("a.json"), lambda *_: bindings(values))
    return placed.permits(None)


@settings(max_examples=examples(300))
@given(CONDITIONS, SOME, SOME)
def test_what_is_permitted_without_a_value_is_permitted_with_any(condition, values, others):
    assume(permitted(condition, values))
    filled = {name: others[name] if value is None else value for name, value in values.items()}
    try:
        held = compile_condition(condition).holds(bindings(filled))
    except ExpressionError:
        return  # permits nothing: `a || b > 1` with a text in `b`
    assert held


@settings(max_examples=examples(150))
@given(CONDITIONS, SOME)
def test_with_every_value_there_it_is_decided_as_usual(condition, values):
    assume(None not in values.values())
    compiled = compile_condition(condition)
    try:
        held = compiled.holds(bindings(values))
    except ExpressionError:
        held = None
    try:
        decided = compiled.decide(bindings(values))
    except ExpressionError:
        decided = None
    assert decided is None or decided is held


@given(PATHS, SOME)
def test_asking_for_absence_stays_exact(path, values):
    def decided(question):
        return compile_condition("${" + question.format(path) + "}").decide(bindings(values))

    assert decided("{} == null") is (not decided("{} != null"))
    assert decided("{} == null") is decided("null == {}")
    assert decided("empty {}") is not None
    assert decided("empty {}") or decided("{} != null")
