"""A function of route expressions, and one of mapping expressions."""

from deputize.expressions import Function, OperandError


def mask(text):
    """`ada@example.com` as `a***@example.com`."""
    if not isinstance(text, str):
        raise OperandError("mask() takes a text")
    name, at, host = text.partition("@")
    return f"{name[:1]}***{at}{host}"


def initials(text):
    """`Ada Lovelace` as `AL`."""
    if not isinstance(text, str):
        raise OperandError("#people.initials() takes a text")
    return "".join(word[0] for word in text.split())


MASK = Function("mask", mask, 1, 1)
INITIALS = Function("people.initials", initials, 1, 1)
