"""Tree to closures, compiled once and run often.

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
from deputize.expressions.limits import DEFAULT, ExpressionLimits
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
    MISSING,
    UNDECIDED,
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
from deputize.kernel.errors import DeputizeError
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
    """What operators mean in one dialect. The callables raise `OperandError` for operands they refuse."""

    binary: Mapping[BinaryOperator, Callable[[Value, Value], Value]]
    """Every binary operator but `and` and `or`, which do not always look at their right operand."""
    unary: Mapping[UnaryOperator, Callable[[Value], Value]]
    equals_null: Callable[[Value], Value]
    """What `x == null` asks, with a null that somebody wrote.

    Two values that merely turn out to be null are never equal.
    """
    differs_from_null: Callable[[Value], Value]
    """What `x != null` asks, with a null that somebody wrote."""
    truth: Callable[[Value], bool]
    """What a value means where a condition is needed."""
    functions: Mapping[str, Function]
    methods: Mapping[str, Function]
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

    def run(self, bindings: Mapping[str, object], limits: ExpressionLimits = DEFAULT) -> JsonValue | Missing:
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
            raise _located(self.source, self.tree.start, error) from error
        except _UNFORESEEN as error:
            # A lazy binding could not be read, or a value is not what JSON knows: the expression fails, not
            # the request.
            raise EvaluationError(self.source, self.tree.start, f"cannot be evaluated: {error}") from error


_UNFORESEEN = (
    DeputizeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
)


def compile_tree(source: str, tree: Node, semantics: Semantics) -> Program:
    """The program for `tree`, which was parsed from `source`.

    Raises `ExpressionSyntaxError` for patterns that are wrong.
    """
    return Program(source, tree, _Compiler(source, semantics).code(tree), count(tree))


def _located(source: str, position: int, error: OperandError) -> EvaluationError:
    kind = LimitExceeded if isinstance(error, OperandLimitError) else EvaluationError
    return kind(source, position, str(error))


def _undecided_if_absent(call: Callable[..., Value]) -> Callable[..., Value]:
    """As `call`, but what it makes of an absent argument, unless that is absent too, is `UNDECIDED`.

    `find(missing, …)` is not false.
    """

    def run(*arguments: Value) -> Value:
        value = call(*arguments)
        if is_absent(value) and not any(argument is UNDECIDED for argument in arguments):
            return value
        return UNDECIDED if any(map(is_absent, arguments)) else value

    return run


def _is_null(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


class _Compiler:
    """Makes the closures of one expression."""

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
                return self._path(node)
            case Index():
                return self._index(node)
            case Call():
                return self._call(node.start, self._semantics.functions[node.name], node.arguments)
            case MethodCall():
                return self._call(
                    node.start, self._semantics.methods[node.name], (node.target, *node.arguments)
                )
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node)
            case Conditional():
                return self._conditional(node)
            case Elvis():
                return self._elvis(node)
            case ListLiteral():
                return self._list(node)
            case MapLiteral():
                return self._map(node)
            case Selection():
                return self._selection(node)
            case Projection():
                return self._projection(node)
            case _:
                return lambda evaluation: evaluation.this

    def _error(self, position: int, error: OperandError) -> EvaluationError:
        return _located(self._source, position, error)

    def _path(self, node: Member) -> Code:
        """A chain of members as one loop: paths are what expressions mostly consist of."""
        names = [node.name]
        target = node.target
        while isinstance(target, Member):
            names.append(target.name)
            target = target.target
        if isinstance(target, MapLiteral):
            return self._member_of_literal(target, tuple(reversed(names)))
        start = self.code(target)
        path = tuple(reversed(names))

        def read_path(evaluation: Evaluation) -> Value:
            value: Any = start(evaluation)
            for name in path:
                value = value.get(name, MISSING) if _type_of(value) is dict else member(value, name)
            return value

        return read_path

    def _member_of_literal(self, target: MapLiteral, path: tuple[str, ...]) -> Code:
        """Reading what a map literal does not have is a mistake in the expression itself, not in the data."""
        literal = self.code(target)

        def read_literal(evaluation: Evaluation) -> Value:
            value = literal(evaluation)
            if is_mapping(value) and path[0] not in value:
                raise EvaluationError(self._source, target.start, f"the map has no member {path[0]!r}")
            for name in path:
                value = member(value, name)
            return value

        return read_literal

    def _index(self, node: Index) -> Code:
        target, key = self.code(node.target), self.code(node.key)
        return lambda evaluation: element(target(evaluation), key(evaluation))

    def _call(self, position: int, function: Function, arguments: tuple[Node, ...]) -> Code:
        call = _undecided_if_absent(function.call) if self._semantics.decides else function.call
        codes = [
            self._argument(node, is_pattern=at in function.patterns_at) for at, node in enumerate(arguments)
        ]

        def run_call(evaluation: Evaluation) -> Value:
            try:
                return call(*[code(evaluation) for code in codes])
            except OperandError as error:
                raise self._error(position, error) from error

        return run_call

    def _argument(self, node: Node, *, is_pattern: bool) -> Code:
        if is_pattern and isinstance(node, Literal) and isinstance(node.value, str):
            return self._pattern(node.start, node.value)
        return self.code(node)

    def _pattern(self, position: int, pattern: str) -> Code:
        try:
            compiled = cast("Value", compile_pattern(pattern))  # functions that take patterns know both forms
        except OperandError as error:
            raise ExpressionSyntaxError(self._source, position, str(error)) from error
        return lambda _: compiled

    def _unary(self, node: Unary) -> Code:
        operand, operate = self.code(node.operand), self._semantics.unary[node.operator]

        def run_unary(evaluation: Evaluation) -> Value:
            try:
                return operate(operand(evaluation))
            except OperandError as error:
                raise self._error(node.start, error) from error

        return run_unary

    def _binary(self, node: Binary) -> Code:
        if node.operator == "and":
            return self._both(node)
        if node.operator == "or":
            return self._either(node)
        if node.operator in {"==", "!="} and (_is_null(node.left) or _is_null(node.right)):
            ask = self._semantics.equals_null if node.operator == "==" else self._semantics.differs_from_null
            code = self.code(node.left if _is_null(node.right) else node.right)
            return lambda evaluation: ask(code(evaluation))
        left, right = self.code(node.left), self._argument(node.right, is_pattern=node.operator == "matches")
        operate = self._semantics.binary[node.operator]

        def run_binary(evaluation: Evaluation) -> Value:
            try:
                return operate(left(evaluation), right(evaluation))
            except OperandError as error:
                raise self._error(node.at, error) from error

        return run_binary

    def _both(self, node: Binary) -> Code:
        left, right = self._truth(node.left), self._truth(node.right)

        def run_both(evaluation: Evaluation) -> Value:
            first = left(evaluation)
            if first is UNDECIDED:
                return UNDECIDED if right(evaluation) is not False else False
            return first and right(evaluation)

        return run_both

    def _either(self, node: Binary) -> Code:
        left, right = self._truth(node.left), self._truth(node.right)

        def run_either(evaluation: Evaluation) -> Value:
            first = left(evaluation)
            if first is UNDECIDED:
                return UNDECIDED if right(evaluation) is not True else True
            return first or right(evaluation)

        return run_either

    def _truth(self, node: Node) -> Callable[[Evaluation], bool | Missing]:
        """The condition `node` stands for; `UNDECIDED` only where the semantics decide."""
        code, truth, decides = self.code(node), self._semantics.truth, self._semantics.decides

        def run_truth(evaluation: Evaluation) -> bool | Missing:
            value = code(evaluation)
            try:
                if value is True or value is False:
                    return value
                return UNDECIDED if decides and is_absent(value) else truth(value)
            except OperandError as error:
                raise self._error(node.start, error) from error

        return run_truth

    def _conditional(self, node: Conditional) -> Code:
        test, then, otherwise = self._truth(node.test), self.code(node.then), self.code(node.otherwise)

        def run_conditional(evaluation: Evaluation) -> Value:
            passed = test(evaluation)
            if passed is UNDECIDED:
                return UNDECIDED
            return then(evaluation) if passed else otherwise(evaluation)

        return run_conditional

    def _elvis(self, node: Elvis) -> Code:
        first, otherwise = self.code(node.value), self.code(node.otherwise)

        def run_elvis(evaluation: Evaluation) -> Value:
            value = first(evaluation)
            return otherwise(evaluation) if is_absent(value) or value == "" else value

        return run_elvis

    def _list(self, node: ListLiteral) -> Code:
        items = [self.code(item) for item in node.items]
        # A missing element becomes null: the ones after it keep their places.
        return lambda evaluation: [
            None if (value := item(evaluation)) is MISSING else value for item in items
        ]

    def _map(self, node: MapLiteral) -> Code:
        entries = [(self.code(key), self.code(value)) for key, value in node.entries]

        def make_map(evaluation: Evaluation) -> Value:
            made: dict[str, Value] = {}
            for key_code, value_code in entries:
                key, value = key_code(evaluation), value_code(evaluation)
                if not is_absent(key) and value is not MISSING:
                    made[self._key(node, key)] = value
            return made

        return make_map

    def _key(self, node: MapLiteral, key: Value) -> str:
        try:
            return text_of(key)
        except OperandError as error:
            raise self._error(node.start, error) from error

    def _loop(
        self, body: Code, cost: int, node: Node
    ) -> Callable[[Evaluation, Value], list[tuple[Value, Value]]]:
        """Runs `body` once per element with `#this` set, and pairs each element with what came out."""

        def run_loop(evaluation: Evaluation, target: Value) -> list[tuple[Value, Value]]:
            if not is_list(target):
                raise EvaluationError(self._source, node.start, f"a list is needed, not {describe(target)}")
            evaluation.steps -= len(target) * cost
            if evaluation.steps < 0:
                raise LimitExceeded(self._source, node.start, "needs too many steps")
            outer = evaluation.this
            pairs: list[tuple[Value, Value]] = []
            for item in target:
                evaluation.this = item
                pairs.append((item, body(evaluation)))
            evaluation.this = outer
            return pairs

        return run_loop

    def _selection(self, node: Selection) -> Code:
        target = self.code(node.target)
        loop = self._loop(self._truth(node.test), count(node.test), node)

        def select(evaluation: Evaluation) -> Value:
            value = target(evaluation)
            if is_absent(value):
                return value
            chosen = [item for item, passed in loop(evaluation, value) if passed]
            if node.choice == "all":
                return chosen
            return chosen[0 if node.choice == "first" else -1] if chosen else MISSING

        return select

    def _projection(self, node: Projection) -> Code:
        target = self.code(node.target)
        loop = self._loop(self.code(node.body), count(node.body), node)

        def project(evaluation: Evaluation) -> Value:
            value = target(evaluation)
            if is_absent(value):
                return value
            return [None if made is MISSING else made for _, made in loop(evaluation, value)]

        return project
