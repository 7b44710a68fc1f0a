"""Checks the names that runtime expressions read.

A name that nothing declares is a typing error: the condition `contexts.mpc.name != 'danger'` would hold for
everybody. It is refused when the file is loaded. Names that PingGateway has and this gateway has not are
missing, and warned about, so that files still load.
"""

from collections.abc import Iterable, Mapping

from deputize.expressions import ExpressionSyntaxError
from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import explain
from deputize.gateway.exchange.bindings import CORE_CONTEXTS, SHAPE
from deputize.gateway.exchange.contexts import RefusalContext, RouterContext, Shape
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.suggestions import find_similar

PING_ROOTS = frozenset({"session", "exchange", "globals"})
PING_CONTEXTS = frozenset(
    {
        "accessAuditExtension",
        "amSession",
        "capturedPassword",
        "cdsso",
        "cdssoFailure",
        "idpSelectionLogin",
        "jwtValidation",
        "jwtValidationError",
        "policyDecision",
        "session",
        "sessionInfo",
        "ssoToken",
        "sts",
        "uma",
        "userProfile",
    }
)
PING_MEMBERS = frozenset(
    {"matchedUri", "remainingUri", "uriTemplateVariables", "remoteUser", "fragment", "userInfo", "form"}
)
"""What PingGateway has in its bindings (gateway-config reference 2.2), and this gateway has not."""


def declared_contexts(types: Iterable[object]) -> Shape:
    """Return the contexts of the core, and those that heap types list as their `contexts`."""
    listed = (kind for each in types for kind in getattr(each, "contexts", ()))
    left = {
        kind.binding_name: getattr(kind, "binding_shape", None)
        for kind in (RouterContext, RefusalContext, *listed)
    }
    return {**CORE_CONTEXTS, **left}


def examine(
    template: Template, position: Position, contexts: Shape, properties: Mapping[str, object]
) -> list[ConfigurationError]:
    """Return warnings about names in `template` that are always missing where it stands.

    It reads the bindings, `contexts`, those that installed types leave, and the `properties` in force.
    Raises `ConfigurationError` for a name that nothing declares.
    """
    roots: Shape = {**dict.fromkeys(properties), **SHAPE, "contexts": contexts, "context": contexts}
    warnings: list[ConfigurationError] = []
    for names, at in template.reads.items():
        shape: Shape | None = roots
        for depth, name in enumerate(names, 1):
            if shape is None:
                break
            if name not in shape:
                warnings.append(_report_unknown(names[:depth], at, shape, template, position))
                break
            shape = shape[name]
    return warnings


def _report_unknown(
    names: tuple[str, ...], at: int, shape: Shape, template: Template, position: Position
) -> ConfigurationError:
    """Return the warning about the last of `names`, which is not in `shape`, or raise the error."""
    shown = ".".join(names)
    is_context = len(names) == 2 and names[0] in {"contexts", "context"}
    only_ping = PING_ROOTS if len(names) == 1 else PING_CONTEXTS if is_context else PING_MEMBERS
    near = find_similar(names[-1], shape)
    if names[-1] in only_ping or (len(names) > 1 and not is_context and not near):
        return ConfigurationError(
            position, f"this gateway has no {shown}: it is always missing", "remove what depends on it"
        )
    error = ExpressionSyntaxError(template.source, at, f"nothing is known as {shown}")
    fix = (
        f"did you mean {'.'.join((*names[:-1], near[0]))}?"
        if near
        else f"known here are {', '.join(sorted(shape))}"
    )
    raise ConfigurationError(position, explain(error), fix)
