"""A bounded memory of what was found out."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedMemory(dict[K, V]):
    """Answers by their questions. Full, it forgets all of them: each is found out again when it is asked for.

    For answers that depend on nothing but the question and on what holds this memory.
    """

    __slots__ = ("_capacity",)

    def __init__(self, capacity: int) -> None:
        """`capacity` counts answers."""
        super().__init__()
        self._capacity = capacity

    def remember(self, question: K, answer: V) -> V:
        """Remember `answer`, and return it."""
        if len(self) >= self._capacity:
            self.clear()
        self[question] = answer
        return answer
