"""Coroutines that are begun without a task, for those that seldom wait."""

from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def begin(coroutine: Coroutine[Any, Any, T]) -> T | Awaitable[T]:
    """Run `coroutine` until it waits or ends: its result, or what to await for it. Raises what it raises.

    A task that never waits costs its making and a turn of the event loop. Up to its first wait the coroutine
    has no current task, without which `asyncio.timeout` does not work; whoever awaits the rest gives it one.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    return _Begun(coroutine, awaited)


class _Begun(Coroutine[Any, Any, T]):
    """A coroutine that waits for `awaited` already."""

    __slots__ = ("_awaited", "_coroutine", "_has_gone_on")

    def __init__(self, coroutine: Coroutine[Any, Any, T], awaited: object) -> None:
        self._coroutine = coroutine
        self._awaited = awaited
        self._has_gone_on = False

    def send(self, value: object) -> object:
        """Hand over what it waits for the first time, and go on from the second."""
        if self._has_gone_on:
            return self._coroutine.send(value)
        self._has_gone_on = True
        awaited, self._awaited = self._awaited, None
        return awaited

    def throw(self, *error: Any) -> object:  # noqa: ANN401 - whatever the awaiting task throws
        """Raise the error where the coroutine waits."""
        self._has_gone_on, self._awaited = True, None
        try:
            return self._coroutine.throw(*error)
        finally:
            del error  # its traceback leads to this frame

    def close(self) -> None:
        """End the coroutine where it waits."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        """Go on in whoever awaits."""
        return self  # pyright: ignore[reportReturnType] - it has all that `await` calls

    def __iter__(self) -> "_Begun[T]":
        """Return what `__await__` returns."""
        return self

    def __next__(self) -> object:
        """Go on without a value."""
        return self.send(None)
