"""Functions that other packages add, through the entry points of a package that is installed for the test."""

import subprocess
import sys

import pytest

from deputize.expressions import ExpressionSyntaxError
from deputize.expressions.functions.function import Function
from deputize.expressions.functions.gateway import GATEWAY_FUNCTIONS
from deputize.expressions.functions.mapping import MAPPING_FUNCTIONS
from deputize.expressions.gateway import compile_condition, compile_template
from deputize.expressions.mapping import compile_mapping
from deputize.kernel.errors import ConfigurationError

FAMILIES = (GATEWAY_FUNCTIONS, MAPPING_FUNCTIONS)
MODULE = """
from deputize.expressions import Function, OperandError

def initials(value):
    if not isinstance(value, str):
        raise OperandError("a name is needed")
    return "".join(word[0] for word in value.split())

def fail(value):
    raise RuntimeError("wrong")

INITIALS = Function("people.initials", initials, 1, 1)
METHOD = Function(".initials", initials, 1, 1)
REVERSED = Function("reversed", lambda value: value[::-1], 1, 1)
FAILS = Function("fails", fail, 1, 1)
TAKEN = Function("find", initials, 1, 1)
OPERATOR = Function("div", initials, 1, 1)
UNCALLABLE = Function("a-b", initials, 1, 1)
NO_LIBRARY = Function("initials", initials, 1, 1)
VARIABLE = Function("root.initials", initials, 1, 1)
WRONG_ARITY = Function("initials", initials, 1, 2)
ANY_NUMBER = Function("initials", initials, 1, None)
NO_VALUE = Function(".initials", lambda *values: 1, 0, 1)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    def forget():
        for family in FAMILIES:
            family.__dict__.pop("members", None)
            family.__dict__.pop("by_name", None)
        sys.modules.pop("strangers_functions", None)

    def install(group, *names):
        (tmp_path / "strangers_functions.py").write_text(MODULE)
        info = tmp_path / "strangers-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1\n")
        entries = [f"{name} = strangers_functions:{name}" for name in names]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *entries]))
        monkeypatch.syspath_prepend(tmp_path)
        forget()

    yield install
    forget()


def test_a_route_calls_an_added_function_and_method(install):
    install("deputize.gateway_functions", "REVERSED", "METHOD")
    bindings = {"user": {"name": "Ada Lovelace"}}
    assert compile_template("${reversed(user.name.initials())}").evaluate(bindings) == "LA"
    assert (
        compile_condition("${reversed(user.nick) == 'x'}").decide(bindings | {"user": {"nick": "x"}}) is True
    )
    with pytest.raises(ExpressionSyntaxError, match=r"no function revrsed\(\); did you mean reversed\(\)"):
        compile_template("${revrsed(user.name)}")
    with pytest.raises(ExpressionSyntaxError, match="reversed\\(\\) takes 1 argument, not 2"):
        compile_template("${reversed(user.name, 1)}")
    with pytest.raises(ExpressionSyntaxError, match=r"there is no method x\(\); there are .*, initials"):
        compile_template("${user.x()}")


def test_a_mapping_calls_an_added_library(install):
    install("deputize.mapping_functions", "INITIALS")
    bindings = {"user": {"name": "Ada Lovelace"}}
    assert compile_mapping("#people.initials(user.name)").evaluate(bindings) == "AL"
    with pytest.raises(ExpressionSyntaxError, match=r"#people.initial; did you mean #people.initials"):
        compile_mapping("#people.initial(user.name)")
    with pytest.raises(ExpressionSyntaxError, match=r"there are #root, #this, #string, .*, #people"):
        compile_mapping("#persons.initials(user.name)")


def test_what_an_added_function_refuses_or_does_wrong_fails_the_expression_only(install):
    install("deputize.gateway_functions", "FAILS", "METHOD")
    for source, reason in (
        ("${user.initials()}", "a name is needed"),
        ("${fails(user)}", "cannot be evaluated: wrong"),
    ):
        with pytest.raises(Exception, match=reason) as raised:
            compile_template(source).evaluate({"user": 1})
        assert type(raised.value).__name__ == "EvaluationError"


@pytest.mark.parametrize(
    ("group", "name", "reason"),
    [
        ("deputize.gateway_functions", "TAKEN", "Deputize itself provides 'find' already"),
        ("deputize.gateway_functions", "OPERATOR", "no expression can call 'div'"),
        ("deputize.gateway_functions", "UNCALLABLE", "no expression can call 'a-b'"),
        ("deputize.gateway_functions", "INITIALS", "no expression can call 'people.initials'"),
        ("deputize.gateway_functions", "initials", "it is no Function"),
        (
            "deputize.gateway_functions",
            "WRONG_ARITY",
            "'initials' is said to take 1 to 2 arguments, but cannot",
        ),
        (
            "deputize.gateway_functions",
            "ANY_NUMBER",
            "'initials' is said to take at least 1 arguments, but cannot",
        ),
        ("deputize.gateway_functions", "NO_VALUE", "takes no argument for the value it is called on"),
        ("deputize.mapping_functions", "NO_LIBRARY", "no expression can call 'initials'"),
        ("deputize.mapping_functions", "VARIABLE", "no expression can call 'root.initials'"),
    ],
)
def test_what_no_expression_could_call_is_refused(install, group, name, reason):
    install(group, name)
    with pytest.raises(ConfigurationError, match=r"the entry point .* of strangers") as raised:
        compile_template("${trim('a')}") if "gateway" in group else compile_mapping("#string.trim('a')")
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    "function", [each for family in FAMILIES for each in family.own], ids=lambda each: each.name
)
def test_own_functions_pass_the_checks_of_added_ones(function):
    family = MAPPING_FUNCTIONS if function in MAPPING_FUNCTIONS.own else GATEWAY_FUNCTIONS
    assert family.flaw(function) == ""
    assert isinstance(function, Function)


def test_packages_are_not_looked_for_before_an_expression_calls_a_function():
    program = (
        "from deputize.kernel import families; import sys\n"
        "from deputize.expressions.gateway import compile_template\n"
        "from deputize.expressions.mapping import compile_mapping\n"
        "asked = []; families.entry_points = lambda group: asked.append(group) or ()\n"
        "compile_template('${a.b == 1}'); compile_mapping('a ?: {1}'); print(asked)\n"
        "compile_template('${trim(a)}'); compile_template('${a.trim()}'); print(asked)\n"
        "compile_mapping('#string.trim(a)'); print(asked)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    gateway, mapping = "deputize.gateway_functions", "deputize.mapping_functions"
    assert done.stdout.splitlines() == ["[]", f"['{gateway}']", f"['{gateway}', '{mapping}']"]
