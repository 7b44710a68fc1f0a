"""Prints expression trees back to source, so that tests can parse what they print."""

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
)

_CHOICES = {"all": ".?[", "first": ".^[", "last": ".$["}


def mapping_source(node):
    """Return fully parenthesised source of the mapping dialect."""
    return _Printer(mapping=True).of(node)


def gateway_source(node):
    """Return fully parenthesised source of the gateway dialect, without `${}`."""
    return _Printer(mapping=False).of(node)


class _Printer:
    def __init__(self, *, mapping):
        self.mapping = mapping

    def of(self, node):  # noqa: PLR0911, PLR0912 - one line a shape
        match node:
            case Literal(value=value):
                return self.literal(value)
            case Root():
                return "#root"
            case This():
                return "#this"
            case Member(target=Root(), name=name) if not self.mapping:
                return name
            case Member(target=This(start=start, end=end), name=name) if start == end:
                return name
            case Member(target=target, name=name):
                return f"{self.of(target)}.{name}"
            case Index(target=target, key=key):
                return f"{self.of(target)}[{self.of(key)}]"
            case Call(name=name, arguments=arguments):
                return f"{'#' if self.mapping else ''}{name}({', '.join(map(self.of, arguments))})"
            case MethodCall(target=target, name=name, arguments=arguments):
                return f"{self.of(target)}.{name}({', '.join(map(self.of, arguments))})"
            case Unary(operator=operator, operand=operand):
                return f"({operator} {self.of(operand)})"
            case Binary(operator=operator, left=left, right=right):
                return f"({self.of(left)} {operator} {self.of(right)})"
            case Conditional(test=test, then=then, otherwise=otherwise):
                return f"({self.of(test)} ? {self.of(then)} : {self.of(otherwise)})"
            case Elvis(value=value, otherwise=otherwise):
                return f"({self.of(value)} ?: {self.of(otherwise)})"
            case ListLiteral(items=items):
                return "{" + ", ".join(map(self.of, items)) + "}"
            case MapLiteral(entries=entries):
                return (
                    "{"
                    + (", ".join(f"{self.of(key)}: {self.of(value)}" for key, value in entries) or ":")
                    + "}"
                )
            case Selection(target=target, choice=choice, test=test):
                return f"{self.of(target)}{_CHOICES[choice]}{self.of(test)}]"
            case Projection(target=target, body=body):
                return f"{self.of(target)}.![{self.of(body)}]"

    def literal(self, value):
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        if isinstance(value, str):
            return (
                "'"
                + (
                    value.replace("'", "''")
                    if self.mapping
                    else value.replace("\\", "\\\\").replace("'", "\\'")
                )
                + "'"
            )
        return f"({value!r})"


def shape(node):
    """Return the tree without positions, for comparison."""
    parts = [type(node).__name__]
    for name in type(node).__dataclass_fields__:
        if name not in {"start", "end", "at"}:
            parts.append(_shape_of(getattr(node, name)))
    return tuple(parts)


def _shape_of(value):
    if isinstance(value, tuple):
        return tuple(_shape_of(item) for item in value)
    return shape(value) if hasattr(type(value), "__dataclass_fields__") else (type(value).__name__, value)
