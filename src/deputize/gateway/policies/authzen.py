"""A decision point elsewhere, asked by the OpenID AuthZEN Authorization API 1.0.

Whatever keeps it from answering denies: time, size, another answer than a decision.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from deputize.gateway.authorities.endpoint import AuthorityAnswer, AuthorityEndpoint, AuthorityError
from deputize.gateway.policies.coaz import DeclaredMapping, MappingError, make_questions
from deputize.gateway.policies.request import Decision, PolicyRequest, deny, permit
from deputize.kernel.redaction import printable
from deputize.kernel.strict_json import JsonError, dumps
from deputize.kernel.values import JsonObject, JsonValue

EVALUATION: Final = "/access/v1/evaluation"
EVALUATIONS: Final = "/access/v1/evaluations"
"""Paths below the URL of a decision point."""
_MAX_WORDS: Final = 512


class AuthZenPolicies:
    """Permits what the decision point permits; a call that needs several decisions needs all of them."""

    reads_spending: bool = False

    def __init__(
        self,
        name: str,
        evaluation: AuthorityEndpoint,
        evaluations: AuthorityEndpoint | None,
        timeout: float,
        mappings: Mapping[str, DeclaredMapping],
        flaws: Mapping[str, str],
    ) -> None:
        """`name` stands for the decision point in records, `timeout` is in seconds for all its answers.

        Without `evaluations` each decision is asked for by itself. `mappings` are those that tools declare,
        and `flaws` say why some of them cannot be used: their tools are denied.
        """
        self._name = name
        self._evaluation = evaluation
        self._evaluations = evaluations
        self._timeout = timeout
        self._mappings = mappings
        self._flaws = flaws

    async def decide(self, request: PolicyRequest) -> Decision:
        """Ask; what is not permitted in time is denied."""
        if request.tool in self._flaws:
            return deny(reason=f"the tool's mapping cannot be used: {self._flaws[request.tool]}")
        try:
            questions = make_questions(request, self._mappings.get(request.tool))
            async with asyncio.timeout(self._timeout):
                return await self._ask(questions, request.now)
        except TimeoutError:
            return deny(reason=f"{self._name} gave no decision within {self._timeout:g} s")
        except (MappingError, AuthorityError, JsonError) as error:
            return deny(reason=str(error))

    async def _ask(self, questions: Sequence[JsonObject], now: float) -> Decision:
        if len(questions) > 1 and self._evaluations is not None:
            answer = await _send(self._evaluations, {"evaluations": list(questions)}, now)
            found = answer.value.get("evaluations") if isinstance(answer.value, Mapping) else None
            answers = found if isinstance(found, list) and answer.status == 200 else ()
            if len(answers) != len(questions):
                return deny(reason=_describe(self._evaluations, answer))
            for each in answers:
                if not _is_permitted(each):
                    return self._deny(each)
            return permit(self._name)
        for question in questions:
            answer = await _send(self._evaluation, question, now)
            if answer.status != 200 or _decision_in(answer.value) is None:
                return deny(reason=_describe(self._evaluation, answer))
            if not _is_permitted(answer.value):
                return self._deny(answer.value)
        return permit(self._name)

    def _deny(self, answer: JsonValue) -> Decision:
        """Deny with what the decision point says about it, for the log."""
        context = answer.get("context") if isinstance(answer, Mapping) else None
        said = printable(dumps(context).decode(), _MAX_WORDS) if context else ""
        return deny(self._name, reason=said)


async def _send(endpoint: AuthorityEndpoint, question: JsonObject, now: float) -> AuthorityAnswer:
    return await endpoint.send(dumps(question), "application/json", None, now)


def _decision_in(answer: JsonValue) -> bool | None:
    decision = answer.get("decision") if isinstance(answer, Mapping) else None
    return decision if isinstance(decision, bool) else None


def _is_permitted(answer: JsonValue) -> bool:
    return _decision_in(answer) is True


def _describe(endpoint: AuthorityEndpoint, answer: AuthorityAnswer) -> str:
    if answer.status != 200:
        return f"{endpoint.place} does not decide: answer {answer.status}{answer.said}"
    return f"{endpoint.place} does not decide: {answer.fault or 'its answer holds no decision'}"
