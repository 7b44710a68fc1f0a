"""Compile trees to closures, once; they run often.

Steps are not counted one by one: without loops an expression costs exactly as many steps as it has nodes, so
that number is paid in advance, and a selection or projection pays for its body times its elements before it
starts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from deputize.expressions.errors import (
    EvaluationError,
    ExpressionSyntaxError,
    LimitExceeded,
    OperandError,
    OperandLimitError,
)
from deputize.expressions.functions.function import Function
from deputize.expressions.patterns import compile_pattern
from deputize.expressions.tree import (
    Binary,
    BinaryOperator,
    Call,
    Conditional,
    Elvis,
    Index,
    ListLiteral,
    Literal,
    MapLiteral,
    Member,
    MethodCall,
    Node,
    Projection,
    Root,
    Selection,
    Unary,
    UnaryOperator,
    count,
)
from deputize.expressions.values import (
    DEFAULT_LIMITS,
    MISSING,
    UNDECIDED,
    ExpressionLimits,
    Missing,
    Value,
    describe,
    element,
    is_absent,
    is_list,
    is_mapping,
    member,
    plain,
    text_of,
)
from deputize.kernel.families import Family
from deputize.kernel.values import JsonValue


@dataclass(slots=True)
class Evaluation:
    """One evaluation in progress."""

    root: Value
    this: Value
    steps: int


Code: TypeAlias = Callable[[Evaluation], Value]
_type_of: Callable[[object], object] = type


@dataclass(frozen=True, slots=True)
class Semantics:
    """The meaning of operators in one dialect. Its callables raise `OperandError` for what they refuse."""

    binary: Mapping[BinaryOperator, Callable[[Value, Value], Value]]
    """Every binary operator but `and` and `or`, which do not always look at their right operand."""
    unary: Mapping[UnaryOperator, Callable[[Value], Value]]
    equals_null: Callable[[Value], Value]
    """Answer `x == null`, where the null is written: two values that turn out to be null are never equal."""
    differs_from_null: Callable[[Value], Value]
    """Answer `x != null`, where the null is written."""
    truth: Callable[[Value], bool]
    """Read a value as a condition."""
    functions: Family[Function]
    """Read when an expression calls one: members of other packages are not imported before."""
    decides: bool = False
    """Whether a result that rests on something absent is `UNDECIDED`.

    Then so are `and`, `or`, conditionals and function calls, unless the rest of the expression decides
    whatever the absent value might have been (Kleene's strong logic of three values).
    """


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression."""

    source: str
    tree: Node
    code: Code
    cost: int

    def run(
        self, bindings: Mapping[str, object], limits: ExpressionLimits = DEFAULT_LIMITS
    ) -> JsonValue | Missing:
        """The value over `bindings`, containers copied. Raises `EvaluationError`, never anything else."""
        if self.cost > limits.steps:
            raise LimitExceeded(self.source, 0, f"needs more than {limits.steps} steps")
        root = cast("Value", bindings)
        try:
            value = self.code(Evaluation(root, root, limits.steps - self.cost))
            return value if type(value) is str else plain(value, limits.size)
        except EvaluationError:
            raise
        except OperandError as error:
            raise _locate(self.source, self.tree.start, error) from error
        except Exception as error:
            # A lazy binding could not be read, a value is not what JSON knows, or a function that another
            # package added is wrong: the expression fails, not the request.
            raise EvaluationError(self.source, self.tree.start, f"cannot be evaluated: {error}") from error


def compile_tree(source: str, tree: Node, semantics: Semantics) -> Program:
    """The program for `tree`, which was parsed from `source`.

    Raises `ExpressionSyntaxError` for patterns that are wrong.
    """
    return Program(source, tree, _Compiler(source, semantics).code(tree), count(tree))


def _locate(source: str, position: int, error: OperandError) -> EvaluationError:
    kind = LimitExceeded if isinstance(error, OperandLimitError) else EvaluationError
    return kind(source, position, str(error))


def _is_null(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


class _Compiler:
    """Makes the closures of one expression, with a method for each shape that needs more than a line."""

    def __init__(self, source: str, semantics: Semantics) -> None:
        self._source = source
        self._semantics = semantics

    def code(self, node: Node) -> Code:  # noqa: C901, PLR0911, PLR0912 - one line a shape
        match node:
            case Literal(value=value):
                return lambda _: value
            case Root():
                return lambda evaluation: evaluation.root
            case Member():
                return self.member(node)
            case Index(target=target, key=key):
                read_target, read_key = self.code(target), self.code(key)
                return lambda evaluation: element(read_target(evaluation), read_key(evaluation))
            case Call(name=name, arguments=arguments):
                return self.call(node.start, name, arguments)
            case MethodCall(name=name, target=target, arguments=arguments):
                return self.call(node.start, f".{name}", (target, *arguments))
            case Unary():
                return self.unary(node)
            case Binary(operator="and" | "or"):
                return self.logical(node)
            case Binary():
                return self.binary(node)
            case Conditional():
                return self.conditional(node)
            case Elvis():
                return self.elvis(node)
            case ListLiteral(items=items):
                codes = [self.code(item) for item in items]
                # A missing element becomes null: the ones after it keep their places.
                return lambda evaluation: [
                    None if (value := code(evaluation)) is MISSING else value for code in codes
                ]
            case MapLiteral():
                return self.map_literal(node)
            case Selection() | Projection():
                return self.loop(node)
            case _:
                return lambda evaluation: evaluation.this

    def member(self, node: Member) -> Code:
        """A chain of members as one loop: paths are what expressions mostly consist of."""
        names = [node.name]
        target = node.target
        while isinstance(target, Member):
            names.append(target.name)
            target = target.target
        start, path = self.code(target), tuple(reversed(names))

        def read_path(evaluation: Evaluation) -> Value:
            value: Any = start(evaluation)
            for name in path:
                value = value.get(name, MISSING) if _type_of(value) is dict else member(value, name)
            return value

        def read_literal(evaluation: Evaluation) -> Value:
            value = start(evaluation)
            if is_mapping(value) and path[0] not in value:
                raise EvaluationError(self._source, target.start, f"the map has no member {path[0]!r}")
            for name in path:
                value = member(value, name)
            return value

        # Reading what a map literal does not have is a mistake in the expression itself, not in the data.
        return read_literal if isinstance(target, MapLiteral) else read_path

    def call(self, position: int, name: str, arguments: tuple[Node, ...]) -> Code:
        function = self._semantics.functions.by_name[name]
        call = _decide_absent(function.call) if self._semantics.decides else function.call
        codes = [
            self.argument(node, is_pattern=at in function.patterns_at) for at, node in enumerate(arguments)
        ]

        def run_call(evaluation: Evaluation) -> Value:
            try:
                return call(*[code(evaluation) for code in codes])
            except OperandError as error:
                raise _locate(self._source, position, error) from error

        return run_call

    def argument(self, node: Node, *, is_pattern: bool) -> Code:
        """The argument; a pattern that is written there is compiled at once."""
        if not (is_pattern and isinstance(node, Literal) and isinstance(node.value, str)):
            return self.code(node)
        try:
            # Functions that take patterns know both forms.
            compiled = cast("Value", compile_pattern(node.value))
        except OperandError as error:
            raise ExpressionSyntaxError(self._source, node.start, str(error)) from error
        return lambda _: compiled

    def unary(self, node: Unary) -> Code:
        operand, operate = self.code(node.operand), self._semantics.unary[node.operator]

        def run_unary(evaluation: Evaluation) -> Value:
            try:
                return operate(operand(evaluation))
            except OperandError as error:
                raise _locate(self._source, node.start, error) from error

        return run_unary

    def binary(self, node: Binary) -> Code:
        if node.operator in {"==", "!="} and (_is_null(node.left) or _is_null(node.right)):
            ask = self._semantics.equals_null if node.operator == "==" else self._semantics.differs_from_null
            code = self.code(node.left if _is_null(node.right) else node.right)
            return lambda evaluation: ask(code(evaluation))
        left, right = self.code(node.left), self.argument(node.right, is_pattern=node.operator == "matches")
        operate = self._semantics.binary[node.operator]

        def run_binary(evaluation: Evaluation) -> Value:
            try:
                return operate(left(evaluation), right(evaluation))
            except OperandError as error:
                raise _locate(self._source, node.at, error) from error

        return run_binary

    def logical(self, node: Binary) -> Code:
        left, right = self.truth(node.left), self.truth(node.right)
        decisive = node.operator == "or"  # an operand with this value decides, whatever the other one is

        def run_logical(evaluation: Evaluation) -> Value:
            first = left(evaluation)
            if first is UNDECIDED:
                return decisive if right(evaluation) is decisive else UNDECIDED
            return first if first is decisive else right(evaluation)

        return run_logical

    def truth(self, node: Node) -> Callable[[Evaluation], bool | Missing]:
        """The condition `node` stands for; `UNDECIDED` only where the semantics decide."""
        code, truth, decides = self.code(node), self._semantics.truth, self._semantics.decides

        def run_truth(evaluation: Evaluation) -> bool | Missing:
            value = code(evaluation)
            try:
                if value is True or value is False:
                    return value
                return UNDECIDED if decides and is_absent(value) else truth(value)
            except OperandError as error:
                raise _locate(self._source, node.start, error) from error

        return run_truth

    def conditional(self, node: Conditional) -> Code:
        test, then, otherwise = self.truth(node.test), self.code(node.then), self.code(node.otherwise)

        def run_conditional(evaluation: Evaluation) -> Value:
            passed = test(evaluation)
            if passed is UNDECIDED:
                return UNDECIDED
            return then(evaluation) if passed else otherwise(evaluation)

        return run_conditional

    def elvis(self, node: Elvis) -> Code:
        first, otherwise = self.code(node.value), self.code(node.otherwise)

        def run_elvis(evaluation: Evaluation) -> Value:
            value = first(evaluation)
            return otherwise(evaluation) if is_absent(value) or value == "" else value

        return run_elvis

    def map_literal(self, node: MapLiteral) -> Code:
        entries = [(self.code(key), self.code(value)) for key, value in node.entries]

        def make_map(evaluation: Evaluation) -> Value:
            made: dict[str, Value] = {}
            for key_code, value_code in entries:
                key, value = key_code(evaluation), value_code(evaluation)
                if is_absent(key) or value is MISSING:
                    continue
                try:
                    made[text_of(key)] = value
                except OperandError as error:
                    raise _locate(self._source, node.start, error) from error
            return made

        return make_map

    def loop(self, node: Selection | Projection) -> Code:
        """Run the test or body once for each element with `#this` set; all its steps are paid before."""
        target = self.code(node.target)
        choice = node.choice if isinstance(node, Selection) else None
        body = self.truth(node.test) if isinstance(node, Selection) else self.code(node.body)
        cost = count(node.test if isinstance(node, Selection) else node.body)

        def run_loop(evaluation: Evaluation) -> Value:
            elements = target(evaluation)
            if is_absent(elements):
                return elements
            if not is_list(elements):
                raise EvaluationError(self._source, node.start, f"a list is needed, not {describe(elements)}")
            evaluation.steps -= len(elements) * cost
            if evaluation.steps < 0:
                raise LimitExceeded(self._source, node.start, "needs too many steps")
            outer = evaluation.this
            pairs: list[tuple[Value, Value]] = []
            for item in elements:
                evaluation.this = item
                pairs.append((item, body(evaluation)))
            evaluation.this = outer
            if choice is None:
                return [None if made is MISSING else made for _, made in pairs]
            chosen = [item for item, passed in pairs if passed]
            if choice == "all":
                return chosen
            return chosen[0 if choice == "first" else -1] if chosen else MISSING

        return run_loop


def _decide_absent(call: Callable[..., Value]) -> Callable[..., Value]:
    """`call`, but `UNDECIDED` where an argument is absent and the result is not.

    `find(missing, …)` is not false.
    """

    def run(*arguments: Value) -> Value:
        value = call(*arguments)
        if is_absent(value) and not any(argument is UNDECIDED for argument in arguments):
            return value
        return UNDECIDED if any(map(is_absent, arguments)) else value

    return run
