"""Settings → Keys: what signs the environment's tokens, what will, and what no longer does."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from starlette.responses import Response

from deputize.authority.administration import NoSuchObject, ObjectView
from deputize.authority.console.call import ConsoleCall
from deputize.authority.console.section import ConsolePage, ConsoleSection
from deputize.jose import ALGORITHMS, KeyInvalid

KINDS: Final[Mapping[str, str]] = {"current": "good", "next": "", "retired": "warn"}
"""The badge of each state."""


async def show_keys(call: ConsoleCall) -> Response:
    """List the keys by algorithm, each with what it is good for."""
    keys = await list_keys(call)
    by_algorithm = {name: [each for each in keys if each.facts["algorithm"] == name] for name in ALGORITHMS}
    return call.show(
        "keys.html",
        by_algorithm={algorithm: found for algorithm, found in by_algorithm.items() if found},
        missing=[algorithm for algorithm, found in by_algorithm.items() if not found],
        kinds=KINDS,
        days={each.id: age_of(call, each) for each in keys},
        jwks=f"/{call.environment.id}/as/jwks",
    )


async def confirm_rotation(call: ConsoleCall) -> Response:
    """Ask whether the next key of an algorithm is to sign, and say what becomes of the others."""
    algorithm = read_algorithm(call)
    mine = {str(each.facts["state"]): each for each in await list_keys(call, algorithm)}
    consequences = [
        call.t(f"keys.rotate_{state}", kid=mine[state].id) for state in ("current", "next") if state in mine
    ]
    return call.show(
        "confirm.html",
        title=call.t("keys.rotate_title" if mine else "keys.make_title", algorithm=algorithm),
        text=call.t("keys.rotate_text" if mine else "keys.make_text"),
        confirm=call.t("keys.rotate_confirm" if mine else "keys.make_confirm"),
        crumbs=[(call.t("keys.title"), call.path("keys"))],
        cancel=call.path("keys"),
        consequences=consequences,
        fields={"current": mine["current"].id} if mine else {},
    )


async def rotate(call: ConsoleCall) -> Response:
    """Let the next key of an algorithm sign, unless that was done meanwhile."""
    algorithm = read_algorithm(call)
    keys = await list_keys(call, algorithm)
    current = [each.id for each in keys if each.facts["state"] == "current"]
    if list(call.typed.get("current", ())) != current:
        return await call.leave("keys", flash="keys.rotated_meanwhile", algorithm=algorithm)
    await call.administration.keys.rotate(call.operator, call.environment.id, [algorithm])
    return await call.leave("keys", flash="keys.rotated", algorithm=algorithm)


async def confirm_retirement(call: ConsoleCall) -> Response:
    """Ask whether a key is to be forgotten that only verifies, and say what that ends."""
    kid = call.id()
    key = next((each for each in await list_keys(call) if each.id == kid), None)
    if key is None:
        raise NoSuchObject(f"there is no key {kid!r}")
    if key.facts["state"] != "retired":
        raise KeyInvalid(call.t("keys.not_retired"))
    consequences = [call.t("keys.ends_tokens"), call.t("keys.ends_copies")]
    return call.confirm("retire", key, cancel=call.path("keys"), consequences=consequences, kid=kid)


async def retire(call: ConsoleCall) -> Response:
    """Forget a key that only verifies: what it signed ends."""
    await call.administration.keys.retire(call.operator, call.environment.id, call.id())
    return await call.leave("keys", flash="keys.gone", kid=call.id())


async def list_keys(call: ConsoleCall, algorithm: str = "") -> Sequence[ObjectView]:
    """List the environment's keys, those that sign first; of one algorithm where it is named."""
    keys = (await call.administration.keys.list(call.operator, call.environment.id)).items
    return [each for each in keys if not algorithm or each.facts["algorithm"] == algorithm]


def age_of(call: ConsoleCall, key: ObjectView) -> int:
    """Return how many days ago a key was made."""
    made = datetime.fromisoformat(str(key.facts["created_at"])).timestamp()
    return max(0, int((call.services.clock.now() - made) // 86400))


def read_algorithm(call: ConsoleCall) -> str:
    """Return the algorithm in the path. Raises `NoSuchObject`."""
    algorithm = call.id("algorithm")
    if algorithm not in ALGORITHMS:
        raise NoSuchObject(f"there is no algorithm {algorithm[:32]!r}")
    return algorithm


SECTION = ConsoleSection(
    "keys",
    "settings",
    (
        ConsolePage("keys", show_keys),
        ConsolePage("keys/{algorithm}/rotate", confirm_rotation, rotate),
        ConsolePage("keys/{id}/retire", confirm_retirement, retire),
    ),
)
