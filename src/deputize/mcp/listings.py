"""Cut what a server lists down to what a token may use, whether it comes as JSON or in an event stream."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from deputize.kernel import strict_json
from deputize.kernel.values import JsonObject, JsonValue, is_number
from deputize.mcp.operations import McpOperation, OperationKind, Permissions

MAX_TTL: Final = 60_000
"""Milliseconds that a client may keep a list: what it may use changes with its token."""
_LISTS: Final[Mapping[str, tuple[str, OperationKind]]] = {
    "tools": ("name", "tools"),
    "prompts": ("name", "prompts"),
    "resources": ("uri", "resources"),
    "resourceTemplates": ("uriTemplate", "resources"),
}
"""The members of results that list operations: what names each, and its kind."""
LISTING_METHODS: Final = frozenset(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "completion/complete"}
)
"""Requests whose results depend on what the token permits."""


Approves: TypeAlias = Callable[[str, JsonObject], bool]
"""Whether the tool of that name is defined as it was approved."""


def filter_message(
    text: bytes,
    permissions: Permissions,
    params: JsonObject | None = None,
    approves: Approves | None = None,
) -> bytes:
    """Return the JSON-RPC message `text` with what `permissions` list; the same bytes where that is all.

    `params` are those of the request that it answers, where they are known. Raises `JsonError` for what two
    programs may read differently: one of them might see what was to be hidden.
    """
    document = strict_json.loads(text)
    if isinstance(document, list):  # clients of 2025-03-26 read batches
        found: JsonValue = [_filter_answer(each, permissions, params, approves) for each in document]
        changed = any(new is not old for new, old in zip(found, document, strict=True))
    else:
        found = _filter_answer(document, permissions, params, approves)
        changed = found is not document
    return strict_json.dumps(found) if changed else text


def _filter_answer(
    message: JsonValue, permissions: Permissions, params: JsonObject | None, approves: Approves | None
) -> JsonValue:
    result = message.get("result") if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping) or not isinstance(result, Mapping):
        return message
    filtered = filter_result(result, permissions, params, approves)
    return message if filtered is result else {**message, "result": filtered}


def filter_result(
    result: JsonObject,
    permissions: Permissions,
    params: JsonObject | None = None,
    approves: Approves | None = None,
) -> JsonObject:
    """Return a result that lists what `permissions` list, or `result` itself where that is all of it.

    A list is the caller's own (`cacheScope`), and kept for `MAX_TTL` at most. Its cursor stays, also where a
    page is left empty: what comes after it may be the caller's.
    """
    changes: dict[str, JsonValue] = {}
    is_list = False
    lists = permissions.lists
    for member, (name_of, kind) in _LISTS.items():
        listed = result.get(member)
        if listed is None:
            continue
        is_list = True
        shown = [
            each
            for each in (listed if isinstance(listed, list) else ())
            if isinstance(each, dict)
            and isinstance(name := each.get(name_of), str)
            and lists(McpOperation(kind, name))
            and (approves is None or kind != "tools" or approves(name, each))
        ]
        if not isinstance(listed, list) or len(shown) != len(listed):
            changes[member] = shown
    completion = result.get("completion")
    if params is not None and isinstance(completion, Mapping):
        values = _completions(completion, permissions, params)
        if values is not completion:
            changes["completion"] = values
    if is_list:
        if result.get("cacheScope", "private") != "private":
            changes["cacheScope"] = "private"
        ttl = result.get("ttlMs")
        if is_number(ttl) and ttl > MAX_TTL:
            changes["ttlMs"] = MAX_TTL
    return {**result, **changes} if changes else result


def _completions(completion: JsonObject, permissions: Permissions, params: JsonObject) -> JsonObject:
    """Return the completions of a resource template's variable with which it names what may be read."""
    ref, argument, values = params.get("ref"), params.get("argument"), completion.get("values")
    template = ref.get("uri") if isinstance(ref, Mapping) else None
    variable = argument.get("name") if isinstance(argument, Mapping) else None
    if not isinstance(template, str) or not isinstance(variable, str) or not isinstance(values, list):
        return completion
    expression = f"{{{variable}}}"
    shown = [
        each
        for each in values
        if isinstance(each, str)
        and permissions.lists(McpOperation("resources", template.replace(expression, each)))
    ]
    if len(shown) == len(values):
        return completion
    counted = {name: value for name, value in completion.items() if name != "total"}
    return {**counted, "values": shown}
