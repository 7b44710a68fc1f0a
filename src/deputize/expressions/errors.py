"""The errors of expressions. Compiling and evaluating raise no others."""

from deputize.kernel.errors import DeputizeError
from deputize.kernel.redaction import printable

_WINDOW = 100


class ExpressionError(DeputizeError):
    """Root of the errors of this package.

    `reason` is a clause without a closing dot, `position` counts characters from 0.
    """

    def __init__(self, source: str, position: int, reason: str) -> None:
        """`str()` shows the reason and, below it, the source with a caret under `position`."""
        self.source = source
        self.position = position
        self.reason = reason
        super().__init__(f"{reason} at character {position + 1}\n{_caret_lines(source, position)}")


class ExpressionSyntaxError(ExpressionError):
    """The text is not an expression of its grammar, uses a disabled feature, or exceeds a limit."""


class EvaluationError(ExpressionError):
    """The expression is well-formed, but these bindings give it no value."""


class LimitExceeded(EvaluationError):
    """Evaluation would take more steps, or make a longer text or a larger value, than its limits allow."""


class OperandError(DeputizeError):
    """An operator, a function or a pattern refuses what it is given.

    Inside an expression it becomes an `EvaluationError` with a place.
    """


class OperandLimitError(OperandError):
    """An operator or function would make too large a value.

    Inside an expression it becomes `LimitExceeded`.
    """


class TokenError(DeputizeError):
    """A token or transformation in a document cannot be carried out."""

    def __init__(self, pointer: str, reason: str, fix: str) -> None:
        """`pointer` is the JSON pointer of the text or object, `fix` tells the operator what to change."""
        self.pointer = pointer
        self.reason = reason
        self.fix = fix
        super().__init__(f"{pointer or 'the document'}: {reason} ({fix})")


def _caret_lines(source: str, position: int) -> str:
    """The source line with the position, cut to a window around it, and a caret below."""
    begin = max(source.rfind("\n", 0, position) + 1, position - _WINDOW // 2)
    end = source.find("\n", position)
    line = source[begin : end if end >= 0 else len(source)][:_WINDOW]
    shown = printable(line)
    caret = len(printable(line[: position - begin]))
    return f"  {shown}\n  {' ' * caret}^"
