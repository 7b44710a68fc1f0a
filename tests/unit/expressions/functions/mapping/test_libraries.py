"""The libraries of mapping expressions, called as operators call them."""

import hashlib
import hmac

import pytest

from deputize.expressions import EvaluationError, LimitExceeded
from deputize.expressions.functions.mapping import MAPPING_FUNCTIONS
from deputize.expressions.mapping import compile_mapping

BINDINGS = {
    "user": {
        "name": " Jo ",
        "tags": ["a", None, "b", 1],
        "updated": "2026-11-23T20:28:00.500+01:00",
        "enabled": True,
    },
    "long": ["x"] * 1000,
}


def evaluated(source):
    return compile_mapping(source).evaluate(BINDINGS)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("#string.isEmpty('')", True),
        ("#string.isEmpty(absent)", True),
        ("#string.isNotEmpty(' ')", True),
        ("#string.isNotEmpty(null)", False),
        ("#string.isBlank(' \t')", True),
        ("#string.isNotBlank(' ')", False),
        ("#string.isNotBlank(user.name)", True),
        ("#string.upperCase('aé')", "AÉ"),
        ("#string.lowerCase('AÉ')", "aé"),
        ("#string.upperCase(absent)", None),
        ("#string.trim(user.name)", "Jo"),
        ("#string.length('abc')", 3),
        ("#string.length(absent)", 0),
        ("#string.startsWith('abc', 'ab')", True),
        ("#string.startsWith(absent, '')", False),
        ("#string.startsWith('abc', absent)", False),
        ("#string.endsWith('abc', 'bc')", True),
        ("#string.contains('abc', 'b')", True),
        ("#string.contains('abc', 'x')", False),
        ("#string.substring('hello', 1)", "ello"),
        ("#string.substring('hello', 1, 3)", "el"),
        ("#string.substring('hello', -3)", "llo"),
        ("#string.substring('hello', -3, -1)", "ll"),
        ("#string.substring('hello', 9)", ""),
        ("#string.substring(absent, 1)", None),
        ("#string.replace('a.b.c', '.', '')", "abc"),
        ("#string.replace('aXbX', 'X', '$1')", "a$1b$1"),
        ("#string.replace('abc', '', 'x')", "abc"),
        ("#string.replace('abc', absent, 'x')", "abc"),
        ("#string.replace('abc', 'b', absent)", "ac"),
        ("#string.replace(absent, 'b', 'x')", None),
        ("#regex.findAllMatches('user01@test.com', '(?<=@)[^.]+')", ["test"]),
        ("#regex.replaceAll('ab', 'a', 'x', '(?<=x)b', 'y')", "xy"),
        ("user.tags.? [#this == 'b']", ["b"]),
        ("#string.join(user.tags, ', ')", "a, b, 1"),
        ("#string.join(user.tags, absent)", "ab1"),
        ("#string.join(absent, ',')", None),
        ("#data.removeAll({1, 'a', 1, true}, {1})", ["a", True]),
        ("#data.removeAll({1}, absent)", [1]),
        ("#data.removeAll(absent, {1})", None),
        ("#data.indexOf(user.tags, 'b')", 2),
        ("#data.indexOf(user.tags, 'z')", -1),
        ("#data.indexOf(user.tags, absent)", -1),
        ("#data.indexOf(absent, 'z')", -1),
        (r"#regex.replaceAll('john smith', '(\w+) (\w+)', '$2 $1')", "smith john"),
        ("#regex.replaceAll('abc', 'a', 'x', 'b', 'y')", "xyc"),
        ("#regex.replaceAll(absent, 'a', 'x')", None),
        ("#regex.matches('abc', 'b')", False),
        ("#regex.matches('abc', 'abc')", True),
        ("#regex.matches(absent, '.*')", False),
        ("#regex.findAllMatches('a1b22', '[0-9]+')", ["1", "22"]),
        ("#regex.findAllMatches(absent, 'x')", []),
        ("#core.ifelse(true, 'a', 'b')", "a"),
        ("#core.ifelse(false, 'a', 'YES', 'b', 'c')", "b"),
        ("#core.ifelse(0, 'a', 'no', 'b', 'c')", "c"),
        ("#core.ifelse(2, 'a', 'c')", "a"),
        ("#core.ifelse(absent, 'a', {1}, 'b', null)", None),
        ("#core.switchExpr('b', 'a', 1, 'b', 2)", 2),
        ("#core.switchExpr('z', 'a', 1, 'b', 2)", None),
        ("#core.switchExpr('z', 'a', 1, 9)", 9),
        ("#core.switchExpr(absent, absent, 1, 9)", 9),
        ("#core.switchExpr(1, true, 'bool', 1.0, 'number')", "number"),
    ],
)
def test_libraries(source, expected):
    value = evaluated(source)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"])
def test_keyed_digests(algorithm):
    expected = hmac.new(b"kex", "dät".encode(), algorithm.lower()).hexdigest()
    assert evaluated(f"#crypto.hmacHexDigest('dät', 'kex', 'Hmac{algorithm}')") == expected
    assert hashlib.new(algorithm.lower()).digest_size * 2 == len(expected)


def test_an_absent_text_has_no_digest():
    assert evaluated("#crypto.hmacHexDigest(absent, 'k', 'HmacSHA256')") is None


@pytest.mark.parametrize(
    "source",
    [
        "#string.upperCase(1)",
        "#string.isEmpty({1})",
        "#string.substring('a', 'b')",
        "#string.substring('a', 1.5)",
        "#string.substring('a', absent)",
        "#string.join('a', ',')",
        "#string.join({{1}}, ',')",
        "#data.indexOf('abc', 'a')",
        "#regex.replaceAll('a', 'a', 'b', 'c')",
        "#regex.replaceAll('a', 'a', '$1')",
        "#regex.matches('a', 1)",
        "#crypto.hmacHexDigest('a', 'k', 'HmacSHA3')",
        "#crypto.hmacHexDigest('a', absent, 'HmacSHA256')",
        "#core.ifelse(true, 1, false, 2)",
        "#datetime.format(user.updated, 'qq')",
        "#datetime.format(user.updated, 1)",
        "#datetime.parse('x', 'yyyy', 'No/Where')",
        "#datetime.parse('x', 'yyyy', '../../etc/passwd')",
        "#datetime.addDays(user.updated, 'x')",
    ],
)
def test_operands_that_do_not_fit_are_errors(source):
    with pytest.raises(EvaluationError):
        evaluated(source)


@pytest.mark.parametrize("source", ["#data.removeAll(long, long)", "#string.join(long.![#root.long], ',')"])
def test_quadratic_work_is_refused(source):
    with pytest.raises(EvaluationError):
        evaluated(source)


def test_a_join_is_refused_before_it_is_built():
    with pytest.raises(LimitExceeded):
        compile_mapping("#string.join(items, separator)").evaluate(
            {"items": ["x"] * 10_000, "separator": "y" * 100_000}
        )


def test_every_function_is_known_by_library_and_name():
    assert {name.partition(".")[0] for name in MAPPING_FUNCTIONS.by_name} == {
        "string",
        "data",
        "datetime",
        "regex",
        "crypto",
        "core",
    }
    assert all(function.least >= 1 and function.takes(function.least) for function in MAPPING_FUNCTIONS.own)
