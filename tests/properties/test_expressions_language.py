"""Rules that hold for every expression.

Printing and parsing agree, nothing but our own errors escapes, limits hold.
"""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.expressions import (
    MISSING,
    ExpressionError,
    ExpressionLimits,
    ExpressionSyntaxError,
    LimitExceeded,
    TokenError,
    substitute,
)
from deputize.expressions.functions.gateway import GATEWAY_FUNCTIONS
from deputize.expressions.functions.mapping import MAPPING_FUNCTIONS
from deputize.expressions.gateway import VOCABULARY, _GatewayParser, compile_template
from deputize.expressions.lexer import tokens
from deputize.expressions.mapping import VOCABULARY as MAPPING_VOCABULARY
from deputize.expressions.mapping import _MappingParser, compile_mapping, parse_attribute_value
from deputize.expressions.tree import (
    Binary,
    Call,
    Conditional,
    Elvis,
    Index,
    ListLiteral,
    Literal,
    MapLiteral,
    Member,
    MethodCall,
    Projection,
    Root,
    Selection,
    This,
    Unary,
    count,
)
from support.examples import examples
from support.expression_source import gateway_source, mapping_source, shape

LIBRARY = MAPPING_FUNCTIONS.by_name
FUNCTIONS = {name: each for name, each in GATEWAY_FUNCTIONS.by_name.items() if name[0] != "."}
METHODS = {name: each for name, each in GATEWAY_FUNCTIONS.by_name.items() if name[0] == "."}

NAMES = st.sampled_from(["a", "b", "user", "context", "x1", "größe"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 2**63 - 1),
    st.floats(0, 1e300, allow_nan=False).filter(lambda value: "inf" not in repr(value)),
    st.text(max_size=8),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(NAMES, st.text(max_size=3)), inner, max_size=4)
    ),
    max_leaves=12,
)
BINDINGS = st.dictionaries(NAMES, JSON, max_size=4)
ANYTHING = st.recursive(
    st.one_of(
        JSON,
        st.binary(max_size=3),
        st.integers(),
        st.just(object()),
        st.just(MISSING),
        st.just("\ud800"),
        st.sets(st.integers(), max_size=2),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, st.integers()), inner, max_size=3)
    ),
    max_leaves=6,
)
LITERALS = st.builds(Literal, st.just(0), st.just(0), SCALARS)


def place(kind, *parts):
    return st.builds(kind, st.just(0), st.just(0), *parts)


def calls(functions, inner):
    def one(name):
        function = functions[name]
        most = function.least + 2 if function.most is None else min(function.most, function.least + 2)
        return place(Call, st.just(name), st.lists(inner, min_size=function.least, max_size=most).map(tuple))

    return st.sampled_from(sorted(functions)).flatmap(one)


def binary(operators, inner):
    return place(Binary, st.sampled_from(operators), inner, inner, st.just(0))


def mapping_forms(inner):
    # A key that is a bare word has become a literal, so trees never hold one as a bare member.
    keys = st.one_of(
        LITERALS, inner.filter(lambda node: not (isinstance(node, Member) and isinstance(node.target, This)))
    )
    return st.one_of(
        place(Member, inner, NAMES),
        place(Index, inner, inner),
        calls(LIBRARY, inner),
        place(Unary, st.sampled_from(["not", "-", "+"]), inner),
        binary(
            ["or", "and", "==", "!=", "<", "<=", ">", ">=", "matches", "+", "-", "*", "/", "%", "^"], inner
        ),
        place(Conditional, inner, inner, inner),
        place(Elvis, inner, inner),
        place(ListLiteral, st.lists(inner, max_size=3).map(tuple)),
        place(MapLiteral, st.lists(st.tuples(keys, inner), max_size=3).map(tuple)),
        place(Selection, inner, st.sampled_from(["all", "first", "last"]), inner),
        place(Projection, inner, inner),
    )


def gateway_forms(inner):
    def one(name):
        method = METHODS[name]
        most = method.least + 1 if method.most is None else method.most
        return place(
            MethodCall,
            inner,
            st.just(name[1:]),
            st.lists(inner, min_size=method.least - 1, max_size=most - 1).map(tuple),
        )

    return st.one_of(
        place(Member, inner, NAMES),
        place(Index, inner, inner),
        calls(FUNCTIONS, inner),
        st.sampled_from(sorted(METHODS)).flatmap(one),
        place(Unary, st.sampled_from(["not", "-", "empty"]), inner),
        binary(["or", "and", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"], inner),
        place(Conditional, inner, inner, inner),
    )


BARE = place(Member, place(This), NAMES)
MAPPING_TREES = st.recursive(
    st.one_of(LITERALS, BARE, st.just(Root(0, 0)), st.just(This(0, 5))), mapping_forms, max_leaves=8
)
GATEWAY_TREES = st.recursive(
    st.one_of(LITERALS, place(Member, place(Root), NAMES)), gateway_forms, max_leaves=8
)


def parsed_mapping(source):
    return _MappingParser(source, tokens(source, MAPPING_VOCABULARY)).parse()


def parsed_gateway(source):
    return _GatewayParser(source, tokens(source, VOCABULARY)).parse()


@given(MAPPING_TREES)
def test_a_printed_mapping_parses_to_the_same_tree(tree):
    source = mapping_source(tree)
    assert shape(parsed_mapping(source)) == shape(tree)


@given(GATEWAY_TREES)
def test_a_printed_gateway_expression_parses_to_the_same_tree(tree):
    source = gateway_source(tree)
    assert shape(parsed_gateway(source)) == shape(tree)


@given(MAPPING_TREES, BINDINGS, st.integers(0, 60))
def test_mappings_give_a_value_or_our_own_error_and_never_exceed_their_budget(tree, bindings, steps):
    try:
        mapping = compile_mapping(mapping_source(tree))
    except ExpressionSyntaxError:
        return  # a literal that is no pattern
    assert all(isinstance(sentence, str) for sentence in mapping.explain(bindings))
    try:
        mapping.evaluate(bindings, ExpressionLimits(steps=steps))
    except LimitExceeded:
        return
    except ExpressionError:
        pass
    assert count(tree) <= steps


@given(GATEWAY_TREES, BINDINGS)
def test_templates_give_a_value_or_our_own_error(tree, bindings):
    try:
        template = compile_template(f"x ${{{gateway_source(tree)}}}")
    except ExpressionSyntaxError:
        return
    failure(lambda: template.evaluate(bindings))


@given(GATEWAY_TREES, BINDINGS)
def test_templates_read_only_the_names_they_tell(tree, bindings):
    try:
        template = compile_template(f"${{{gateway_source(tree)}}}")
    except ExpressionSyntaxError:
        return
    needed = {name: value for name, value in bindings.items() if name in template.names}
    assert outcome(template, needed) == outcome(template, bindings)


def outcome(compiled, bindings):
    try:
        return repr(compiled.evaluate(bindings))
    except ExpressionError as error:
        return error.reason


ALPHABET = st.sampled_from(
    [
        *"ab.#'\"?:()[]{}!$^+-*/%<>=&|, \\1ée\n",
        "#root",
        ".?[",
        ".![",
        "true",
        "null",
        " and ",
        "find(",
        "${",
        "}",
        "#string.trim(",
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(ALPHABET, max_size=40).map("".join))


@given(TEXTS, st.dictionaries(st.one_of(NAMES, st.integers()), ANYTHING, max_size=4))
def test_arbitrary_texts_over_arbitrary_bindings_raise_nothing_but_our_own_errors(text, bindings):
    for compile_source in (
        compile_mapping,
        compile_template,
        parse_attribute_value,
        lambda text: compile_template(f"${{{text}}}"),
    ):
        error = failure(lambda: compile_source(text).evaluate(bindings))  # noqa: B023 - called at once
        assert error is None or (0 <= error.position <= len(error.source) and str(error))


def failure(run):
    try:
        run()
    except (ExpressionError, TokenError) as error:
        return error
    return None


FRAGMENTS = st.sampled_from(
    ["a", "b", "a.b", "a[0]", "a['x']", "#root", "{1,a}", "a.![#this]", "'x'", "1", "null"]
)
OPERATORS = st.sampled_from(["==", "!=", "<", "+", "-", "*", "and", "or", "matches", "?:", "^", "%"])


@given(FRAGMENTS, OPERATORS, FRAGMENTS, st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_operators_over_arbitrary_values_raise_nothing_but_our_own_errors(left, operator, right, bindings):
    mapping = compile_mapping(f"{left} {operator} {right}")
    failure(lambda: mapping.evaluate(bindings))
    mapping.explain(bindings)


@given(
    BINDINGS, st.sampled_from(["user.gone", "gone", "context.gone.deeper", "a[999]", "b['gone!']"]), FRAGMENTS
)
def test_what_is_missing_equals_nothing(bindings, path, other):
    bindings = {name: value for name, value in bindings.items() if name != "gone"}
    if value_or_null(path, bindings) is not MISSING:
        return
    trimmed = f"#string.trim({path})"
    for source in (
        f"{path} == {other}",
        f"{other} == {path}",
        f"{path} == {path}",
        f"{path} == null",
        f"{trimmed} == {trimmed}",
    ):
        assert value_or_null(source, bindings) in (False, None)


def value_or_null(path, bindings):
    try:
        return compile_mapping(path).evaluate(bindings)
    except ExpressionError:
        return None


IDS = st.one_of(st.none(), st.text(max_size=3), st.sampled_from(["a1", "a2"]))
ACT = (
    "(#root.context.requestData.subjectToken.may_act.sub == #root.context.requestData.actorToken.client_id)"
    "?#root.context.requestData.subjectToken.may_act:null"
)


@given(
    may_act=st.one_of(st.just({}), st.fixed_dictionaries({"sub": IDS})), client_id=IDS, present=st.booleans()
)
def test_the_act_mapping_never_names_an_actor_who_is_not_there(may_act, client_id, present):
    subject = {"may_act": may_act} if may_act else {}
    actor = {"actorToken": {"client_id": client_id}} if present else {}
    value = compile_mapping(ACT).evaluate({"context": {"requestData": {"subjectToken": subject, **actor}}})
    assert value is None or (present and client_id is not None and value["sub"] == client_id)


@given(MAPPING_TREES, BINDINGS)
def test_evaluation_is_repeatable_and_leaves_the_bindings_alone(tree, bindings):
    try:
        mapping = compile_mapping(mapping_source(tree))
    except ExpressionSyntaxError:
        return
    before = repr(bindings)
    assert outcome(mapping, bindings) == outcome(mapping, bindings)
    assert repr(bindings) == before


DOCUMENTS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.lists(st.sampled_from(["&{", "}", "|", "a", "\\", "{", "x"]), max_size=12).map("".join),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["a", "$int", "$list", "$object", "$base64:decode", "$bool"]), inner, max_size=2
        ),
    ),
    max_leaves=8,
)


@given(
    DOCUMENTS,
    st.dictionaries(st.sampled_from(["a", "x", ""]), st.sampled_from(["1", "&{x}", "&{a}", "true", "[1]"])),
)
def test_token_replacement_ends_in_a_document_or_our_own_error(document, known):
    error = failure(lambda: substitute(document, known.get))
    assert error is None or (error.reason and error.fix)


@given(st.text(alphabet=string.printable, max_size=30).filter(lambda text: "&{" not in text))
def test_texts_without_tokens_stay_as_they_are(text):
    assert substitute([text], {}.get) == [text]


@given(st.text(max_size=30))
def test_a_quoted_text_is_itself(text):
    assert compile_mapping("'" + text.replace("'", "''") + "'").evaluate({}) == text
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert compile_template("${'" + quoted + "'}").evaluate({}) == text


@pytest.mark.parametrize("name", sorted(LIBRARY))
@settings(max_examples=examples(30))
@given(data=st.data())
def test_library_functions_raise_nothing_but_our_own_errors(name, data):
    function = LIBRARY[name]
    most = function.least + 2 if function.most is None else min(function.most, function.least + 2)
    arguments = data.draw(st.lists(ANYTHING, min_size=function.least, max_size=most))
    source = f"#{name}({', '.join(f'#root.a{n}' for n in range(len(arguments)))})"
    failure(lambda: compile_mapping(source).evaluate({f"a{n}": value for n, value in enumerate(arguments)}))


@pytest.mark.parametrize("name", sorted(GATEWAY_FUNCTIONS.by_name))
@settings(max_examples=examples(20))
@given(data=st.data())
def test_gateway_functions_raise_nothing_but_our_own_errors(name, data):
    function = GATEWAY_FUNCTIONS.by_name[name]
    most = function.least + 2 if function.most is None else function.most
    arguments = data.draw(st.lists(ANYTHING, min_size=function.least, max_size=most))
    names = [f"a{n}" for n in range(len(arguments))]
    called = f"{name}({', '.join(names)})" if name in FUNCTIONS else f"a0{name}({', '.join(names[1:])})"
    failure(lambda: compile_template(f"${{{called}}}").evaluate(dict(zip(names, arguments, strict=True))))
