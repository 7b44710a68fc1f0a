"""Answers without a language model.

Picks the tool whose name, description and schema fit the sentence best, and calls it.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from mcp_types import Tool

from agent import arguments, when
from agent.arguments import Parameter
from agent.tools import Ask, Call

NAME_WEIGHT, TITLE_WEIGHT, DESCRIPTION_WEIGHT, PARAMETER_WEIGHT, TIME_WEIGHT = 3.0, 2.0, 1.0, 0.5, 2.0
MAX_QUESTIONS = 5
_STOPWORDS = frozenset({
    "a", "an", "and", "any", "are", "as", "at", "be", "by",
    "can", "could", "do", "does", "for", "from", "get", "give", "going", "have", "how",
    "i", "if", "in", "is", "it", "its", "let", "like", "look", "me", "my", "of", "on", "or", "our", "out",
    "please", "show", "tell", "that",
    "the", "their", "them", "there", "these", "they",
    "this", "to", "up", "use", "was", "we", "what", "when", "which", "who", "will", "with",
    "would", "you", "your",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planner:
    """A responder that needs nothing but the tools."""

    ask: Ask
    today: Callable[[], date]

    async def respond(self, prompt: str, tools: Sequence[Tool], call: Call) -> str:
        """Return the answer of the tool that fits; when none does, what could be asked instead."""
        tool = choose(prompt, tools, self.today())
        if tool is None:
            return f"No tool fits that. There is {', '.join(tool.name for tool in tools) or 'none at all'}."
        wanted = arguments.parameters(tool.input_schema)
        found = arguments.read(prompt, wanted, self.today())
        for parameter in [each for each in wanted if each.required and each.name not in found][
            :MAX_QUESTIONS
        ]:
            answer = await self._ask(parameter)
            if answer is None:
                return f"I need to know the {_label(parameter)} for {tool.name}."
            found[parameter.name] = answer
        return await call(tool.name, found)

    async def _ask(self, parameter: Parameter) -> object:
        text = await self.ask(f"Which {_label(parameter)}?")
        if text is None:
            return None
        try:
            return arguments.convert(text, parameter, self.today())
        except ValueError:
            return None


def choose(prompt: str, tools: Sequence[Tool], today: date) -> Tool | None:
    """Return the best tool; None when no tool shares a word with the prompt."""
    profiles = [_profile(tool) for tool in tools]
    rarity = Counter(word for profile in profiles for word in profile)
    asked = set(_stems(prompt))
    moment = when.find(prompt, today)

    def score(number: int) -> float:
        shared = sum(
            weight * math.log(1 + len(tools) / rarity[word])
            for word, weight in profiles[number].items()
            if word in asked
        )
        wants_time = any(
            each.kind == "date-time" and each.required
            for each in arguments.parameters(tools[number].input_schema)
        )
        return shared + TIME_WEIGHT * (bool(moment.time) and wants_time and shared > 0)

    best = max(range(len(tools)), key=score, default=None)
    return tools[best] if best is not None and score(best) > 0 else None


def _profile(tool: Tool) -> dict[str, float]:
    """Return the weight of each word that speaks for the tool."""
    texts = [
        (PARAMETER_WEIGHT, " ".join(parameter.name for parameter in arguments.parameters(tool.input_schema))),
        (DESCRIPTION_WEIGHT, tool.description or ""),
        (TITLE_WEIGHT, tool.title or ""),
        (NAME_WEIGHT, tool.name),
    ]
    return {word: weight for weight, text in texts for word in _stems(text)}


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in arguments.words(text) if word not in _STOPWORDS]


def _stem(word: str) -> str:
    """Cut endings, so that `transfers` and `transferring` match `transfer`."""
    for ending in ("ing", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def _label(parameter: Parameter) -> str:
    name = " ".join(parameter.words)
    choices = f" ({', '.join(parameter.choices)})" if parameter.choices else ""
    return f"{name}{choices or (f' ({parameter.description})' if parameter.description else '')}"
