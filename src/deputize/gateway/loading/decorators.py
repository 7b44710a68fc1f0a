"""Decorations: members beside an object's `type` that change what it does without the object knowing.

A decoration is named like the decorator in the heap that applies it; those of `DEFAULT_OBJECTS` are always
there.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from deputize.gateway.config.settings import BASE_URI
from deputize.gateway.loading.context import BuildContext
from deputize.http.plans import Filter, Handler, as_filter, as_handler
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.values import JsonValue


@runtime_checkable
class Decorator(Protocol):
    """What a decoration stands for."""

    def decorate(
        self, subject: Filter | Handler, written: JsonValue, context: BuildContext
    ) -> Filter | Handler:
        """Return `subject`, a handler remaining one, decorated as the value `written` says.

        What is returned has `subject` as its `undecorated`, for those who need an object of its own class.
        `context` is that of `subject`. Raises `ConfigurationError` for a value that says nothing.
        """
        ...


def decorate(subject: object, members: Mapping[str, JsonValue], context: BuildContext) -> object:
    """Return `subject`, a handler remaining one, with the decorations among `members`, the first innermost.

    Raises `ConfigurationError`.
    """
    for name, written in members.items():
        decorator = _find(name, context)
        if decorator is None:
            continue
        decorated = as_handler(subject) or as_filter(subject)
        if decorated is None:
            raise ConfigurationError(
                context.position.below(name),
                f"a {type(subject).__name__} has no {name}",
                "put it on the route, on a handler or on a filter",
            )
        subject = decorator.decorate(decorated, written, context)
    return subject


def decorate_globally(subject: object, context: BuildContext) -> object:
    """Return `subject` with the `globalDecorators` in force, where it is a handler or filter.

    A `baseURI` is for handlers: filters see where the request is going when they stand behind one.
    """
    is_handler = as_handler(subject) is not None
    if not is_handler and as_filter(subject) is None:
        return subject
    for decorators in context.global_decorators:
        chosen = {name: written for name, written in decorators.items() if is_handler or name != BASE_URI}
        subject = decorate(subject, chosen, context)
    return subject


def decorations(members: Mapping[str, JsonValue], context: BuildContext) -> Mapping[str, JsonValue]:
    """Return those of `members` that are named like a decorator which can be referred to from `context`."""
    return {name: written for name, written in members.items() if _find(name, context) is not None}


def _find(name: str, context: BuildContext) -> Decorator | None:
    if name not in context.objects.names():
        return None
    found = context.objects.find(name, context.position.below(name))
    return found if isinstance(found, Decorator) else None
