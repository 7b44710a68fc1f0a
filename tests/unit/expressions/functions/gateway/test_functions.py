"""The functions and methods of gateway expressions, called as operators call them."""

import re

import pytest

from deputize.expressions import EvaluationError
from deputize.expressions.errors import OperandError
from deputize.expressions.functions.gateway import GATEWAY_FUNCTIONS
from deputize.expressions.functions.gateway.moments import moment
from deputize.expressions.gateway import compile_template

BINDINGS = {
    "path": "/mcp/a b",
    "list": ["a", "b", 1, None],
    "map": {"X-One": 1, "Y-Two": 2},
    "now": moment(1_795_462_085.9),
    "hash": list(range(32)),
    "text": 'say "hi"\n',
}


def evaluated(expression):
    return compile_template(f"${{{expression}}}").evaluate(BINDINGS)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("array()", []),
        ("array(1, 'a', absent)", [1, "a", None]),
        ("bool('TRUE')", True),
        ("bool(true)", True),
        ("bool('yes')", False),
        ("bool(absent)", False),
        ("contains('abc', 'bc')", True),
        ("contains('abc', 1)", False),
        ("contains(list, 1)", True),
        ("contains(list, true)", False),
        ("contains(list, absent)", False),
        ("contains(absent, 'a')", False),
        ("find('abc', 'b+')", True),
        ("find(12, '2')", True),
        ("find(absent, '.*')", False),
        ("findGroups('k=v', '(k)=(v)')", ["k=v", "k", "v"]),
        ("findGroups('x', 'y')", None),
        ("findGroups(absent, 'y')", None),
        ("matchingGroups('k=v', '(k)')", ["k", "k"]),
        ("matchesWithRegex('abc', 'a.c')", True),
        ("matchesWithRegex('abcd', 'a.c')", False),
        ("matchesWithRegex(absent, '.*')", False),
        ("keyMatch(map, '.-Two')", "Y-Two"),
        ("keyMatch(map, 'Two')", None),
        ("keyMatch(absent, 'Two')", None),
        ("split('a,b,,', ',')", ["a", "b"]),
        ("split(',', ',')", [""]),
        ("split(absent, ',')", None),
        ("join(list, '-')", "a-b-1-"),
        ("join(absent, '-')", None),
        ("join(list, absent)", "ab1"),
        ("indexOf('abc', 'c')", 2),
        ("indexOf('abc', 'x')", -1),
        ("indexOf(absent, 'x')", -1),
        ("integer('42')", 42),
        ("integer(' 42 ')", 42),
        ("integer('4.0')", 4),
        ("integer('4.2')", None),
        ("integer('x')", None),
        ("integer(absent)", None),
        ("integerWithRadix('ff', 16)", 255),
        ("integerWithRadix('zz', 16)", None),
        ("integerWithRadix('zzzzzzzzzzzzzzzz', 36)", None),
        ("integerWithRadix('1_0', 10)", None),
        ("ipMatch('10.1.2.3', '10.0.0.0/8')", True),
        ("ipMatch('11.1.2.3', '10.0.0.0/8')", False),
        ("ipMatch('::ffff:10.1.2.3', '10.0.0.0/8')", True),
        ("ipMatch('2001:db8::1', '2001:db8::/32')", True),
        ("ipMatch('10.1.2.3', '2001:db8::/32')", False),
        ("ipMatch('nonsense', '10.0.0.0/8')", False),
        ("ipMatch(absent, '10.0.0.0/8')", False),
        ("lastElement(array(1, 2))", 2),
        ("lastElement(array())", None),
        ("lastElement(absent)", None),
        ("length('abc')", 3),
        ("length(list)", 4),
        ("length(map)", 2),
        ("length(absent)", 0),
        ("length(5)", 0),
        ("toJson('{\"a\": [1]}').a[0]", 1),
        ("toJson(absent)", None),
        ("toString(12)", "12"),
        ("toString(list)", '["a","b",1,null]'),
        ("toString(absent)", None),
        ("toLowerCase('ABC')", "abc"),
        ("toUpperCase(absent)", None),
        ("trim(' a ')", "a"),
        ("escapeJson(text)", 'say \\"hi\\"\\n'),
        ("encodeBase64('é~~')", "w6l+fg=="),
        ("decodeBase64('w6l+fg==')", "é~~"),
        ("decodeBase64('w6l+fg')", "é~~"),
        ("decodeBase64('***')", None),
        ("decodeBase64('/w==')", None),
        ("encodeBase64url('é~~')", "w6l-fg"),
        ("decodeBase64url('w6l-fg')", "é~~"),
        ("decodeBase64url(absent)", None),
        ("encodeBase64url(digestSha256('abc'))", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"),
        ("length(digestSha256(path))", 32),
        ("digestSha256(absent)", None),
        ("urlEncode(path)", "%2Fmcp%2Fa+b"),
        ("urlDecode('%2Fmcp+x')", "/mcp x"),
        ("formEncodeParameterNameOrValue('a&b')", "a%26b"),
        ("formDecodeParameterNameOrValue('a%26b')", "a&b"),
        ("urlEncodePathElement('a/b c:d')", "a%2Fb%20c:d"),
        ("urlDecodePathElement('a%2Fb+c')", "a/b+c"),
        ("urlEncodeFragment('a/b?c#')", "a/b?c%23"),
        ("urlEncodeQueryParameterNameOrValue('a=b&c+d/e')", "a%3Db%26c%2Bd/e"),
        ("urlEncodeUserInfo('us:er@x')", "us%3Aer%40x"),
        ("urlDecodeUserInfo('us%3Aer')", "us:er"),
        ("fileToUrl('/tmp/a b')", "file:///tmp/a%20b"),
        ("pathToUrl(absent)", None),
        ("path.startsWith('/mcp')", True),
        ("path.endsWith('b')", True),
        ("path.contains('cp')", True),
        ("path.equalsIgnoreCase('/MCP/A B')", True),
        ("absent.equalsIgnoreCase('x')", False),
        ("path.matches('/mcp.*')", True),
        ("path.split('/')[1]", "mcp"),
        ("path.toUpperCase().toLowerCase().trim().length()", 8),
        ("path.indexOf('a')", 5),
        ("path.concat('x', absent, 1)", "/mcp/a bx1"),
        ("path.replace('/', '')", "mcpa b"),
        ("path.replace('', 'x')", "/mcp/a b"),
        ("absent.replace('a', 'b')", None),
        ("path.substring(1)", "mcp/a b"),
        ("path.substring(1, 4)", "mcp"),
        ("absent.substring(1)", None),
        ("path.toString()", "/mcp/a b"),
        ("list.contains('a')", True),
        ("list.size()", 4),
        ("list.isEmpty()", False),
        ("list.get(1)", "b"),
        ("map.get('X-One')", 1),
        ("map.get('absent')", None),
        ("map.containsKey('X-One')", True),
        ("map.containsKey('absent')", False),
        ("absent.containsKey('x')", False),
        ("now.epochSeconds", 1_795_462_085),
        ("now.rfc1123", "Mon, 23 Nov 2026 19:28:05 GMT"),
        ("now.plusSeconds(5).epochSeconds", 1_795_462_090),
        ("now.minusMinutes(1).plusMinutes(1) == now", True),
        ("now.minusHours(19).minusDays(1).rfc1123", "Sun, 22 Nov 2026 00:28:05 GMT"),
        ("now.minusSeconds(0).epochSeconds < now.plusDays(1).epochSeconds", True),
    ],
)
def test_functions(expression, expected):
    value = evaluated(expression)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "split(list, ',')",
        "join('abc', ',')",
        "lastElement('abc')",
        "integerWithRadix('1', 1)",
        "integerWithRadix('1', 99)",
        "integerWithRadix('1', 'x')",
        "ipMatch('10.1.2.3', 'nonsense')",
        "ipMatch(1, '10.0.0.0/8')",
        "toJson('{')",
        'toJson(\'{"a":1,"a":2}\')',
        "trim(1)",
        "encodeBase64(array(256))",
        "encodeBase64(array('a'))",
        "encodeBase64(map)",
        "fileToUrl('relative')",
        "path.substring(9)",
        "path.substring(3, 2)",
        "path.substring(0 - 1)",
        "list.startsWith('a')",
        "now.plusDays(99999999)",
        "now.minusDays(99999999)",
        "path.plusDays(1)",
        "map.plusDays(1)",
        "find(map, 'x')",
        "find('x', path.concat('('))",
        "find('x', absent)",
    ],
)
def test_operands_that_do_not_fit_are_errors(expression):
    with pytest.raises(EvaluationError):
        evaluated(expression)


@pytest.mark.parametrize("seconds", [-1, 1e15, float("inf"), float("nan")])
def test_times_out_of_range_are_errors(seconds):
    with pytest.raises(OperandError):
        moment(seconds)


def test_lone_surrogates_are_errors_and_not_crashes():
    for expression in (
        "encodeBase64(x)",
        "urlEncode(x)",
        "digestSha256(x)",
        "find(x, 'a.')",
        "toJson(x)",
        "decodeBase64(x)",
    ):
        with pytest.raises(EvaluationError):
            compile_template(f"${{{expression}}}").evaluate({"x": "\ud800"})


def test_documented_functions_are_all_there():
    documented = """array bool contains decodeBase64 decodeBase64url encodeBase64 encodeBase64url
    digestSha256 fileToUrl pathToUrl
        find findGroups
        matchesWithRegex formEncodeParameterNameOrValue formDecodeParameterNameOrValue indexOf integer
        integerWithRadix
        ipMatch join keyMatch
        lastElement length split toJson toLowerCase toUpperCase trim toString urlEncode urlDecode
        urlEncodeFragment urlDecodeFragment
        urlEncodePathElement urlDecodePathElement urlEncodeQueryParameterNameOrValue
        urlDecodeQueryParameterNameOrValue urlEncodeUserInfo
        urlDecodeUserInfo matches matchingGroups escapeJson pemCertificate derCertificate
        boolean read readWithCharset readProperties"""
    names = {function.name for function in GATEWAY_FUNCTIONS.own}
    assert set(documented.split()) == {name for name in names if name[0] != "."}
    assert all(function.least >= 1 for function in GATEWAY_FUNCTIONS.own if function.name[0] == ".")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("list.indexOf(1)", 2),
        ("list.indexOf(true)", -1),
        ("list.indexOf(absent)", -1),
        ("array('a', 'b', 'a').lastIndexOf('a')", 2),
        ("list.lastIndexOf('x')", -1),
        ("path.lastIndexOf('/')", 4),
        ("absent.lastIndexOf('a')", -1),
        ("absent.equals(absent)", False),
        ("array('a', 1).equals(array('a', 1))", True),
        ("absent.charAt(0)", None),
        ("absent.isBlank()", True),
        ("path.isBlank()", False),
        ("absent.replaceAll('a', 'b')", None),
        ("path.replaceAll('x*', 'y')", "/mcp/a b"),
        ("list.containsAll(absent)", False),
        ("list.containsAll(array())", True),
        ("list.containsAll(array('a', 2))", False),
        ("map.containsValue('1')", False),
        ("map.containsValue(2)", True),
        ("list.containsValue(1)", False),
        ("absent.keySet()", None),
        ("absent.values()", None),
        ("absent.getOrDefault('a', 1)", 1),
        ("map.getOrDefault('X-One', 0)", 1),
        ("list.getOrDefault(9, 'none')", "none"),
        ("absent.subList(0, 1)", None),
        ("list.subList(4, 4)", []),
        ("array().getFirst()", None),
        ("array().getLast()", None),
        ("read(absent)", None),
        ("readWithCharset(absent, 'utf-8')", None),
        ("readProperties(absent)", None),
    ],
)
def test_methods_of_java_and_files(expression, expected):
    assert evaluated(expression) == expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("path.charAt(99)", "has no character 99"),
        ("list.subList(3, 5)", "has no elements 3 to 5"),
        ("list.replaceAll('a', 'b')", "a text is needed"),
        ("path.replaceAll('a', '$1')", "names a group that the pattern does not have"),
        ("read('relative.txt')", "is not absolute: begin it with &{ig.instance.dir}"),
        ("read('/no/such/file')", "cannot be read: No such file"),
        ("read(1)", "a text is needed"),
        ("readWithCharset('/no', 'utf-99')", "'utf-99' is no character set"),
        ("readProperties('/no/such/file')", "cannot be read"),
    ],
)
def test_what_methods_of_java_and_files_refuse(expression, reason):
    with pytest.raises(EvaluationError, match=re.escape(reason)):
        evaluated(expression)


@pytest.mark.parametrize(
    ("content", "call", "reason"),
    [
        (b"\xff", "read", "is not written in utf-8"),
        (b"a=b\nnothing\n", "readProperties", "line 2 is not a line such as name=value"),
        (b"x" * 262_145, "read", "has more than 262144 bytes"),
    ],
)
def test_files_that_are_refused(tmp_path, content, call, reason):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(EvaluationError, match=reason):
        evaluated(f"{call}('{tmp_path}/file')")
