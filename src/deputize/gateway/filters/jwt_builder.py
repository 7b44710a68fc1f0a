"""`JwtBuilderFilter`: a JWT about the call, signed by the gateway (gateway-config reference 4.5)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import BeforeValidator

from deputize.expressions import ExpressionError
from deputize.expressions.gateway import Template, compile_template
from deputize.gateway.config.settings import Raw, Reference, Settings, explain
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.contexts import BoundContext, Shape
from deputize.gateway.exchange.refusals import refusing
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Plan, Prepare
from deputize.jose import ALGORITHMS, KeyInvalid, SigningKey, read_signing_key, sign_with
from deputize.kernel.strict_json import JsonError
from deputize.kernel.values import JsonObject, JsonValue
from deputize.secrets.secret import SecretError, SecretStore, crypto_key


@dataclass(frozen=True, slots=True, eq=False)
class JwtBuilderContext:
    """The JWT that was made; `contexts.jwtBuilder` in expressions."""

    binding_name: ClassVar[str] = "jwtBuilder"
    binding_shape: ClassVar[Shape] = {"value": None, "claims": None}
    value: str = field(repr=False)
    claims: JsonObject

    def as_binding(self) -> Mapping[str, object]:
        """`value`, the JWT, and `claims`."""
        return {"value": self.value, "claims": self.claims}


def _compile(value: object) -> object:
    """Return `value` with every text in it as a template. Raises `ValueError`."""
    if isinstance(value, str):
        try:
            return compile_template(value)
        except ExpressionError as error:
            raise ValueError(explain(error)) from error
    if isinstance(value, dict):
        return {name: _compile(each) for name, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_compile(each) for each in cast("list[object]", value)]
    return value


class SignatureSettings(Settings):
    """How the JWT is signed."""

    secret_id: str
    """Id of the private key."""
    algorithm: str | None = None
    """`ES256`, `RS256`, `EdDSA` or `Ed25519`; by default the one that fits the key."""
    include_key_id: bool = True
    """Accepted, without effect: the header always has the key's thumbprint as its `kid`."""


class JwtBuilderFilter:
    """Makes a JWT of claims about the call and signs it, for servers that do not read access tokens.

    Filters behind it read `${contexts.jwtBuilder.value}`, as a `HeaderFilter` that sends it on. Claims that
    yield null are left out. A JWT that cannot be made is 500.
    """

    contexts: ClassVar[tuple[type[BoundContext], ...]] = (JwtBuilderContext,)

    class Config(Settings):
        """The claims and the key. Encryption and symmetric signatures are not supported."""

        template: Raw[Annotated[Any, BeforeValidator(_compile)]]
        """The claims: an object whose texts are runtime expressions, or one that yields such an object.

        The gateway adds none: write `iss`, `aud`, and `exp` as `${now.plusMinutes(1).epochSeconds}`.
        """
        secrets_provider: Reference
        """The store that has the key."""
        signature: SignatureSettings
        """How it is signed."""
        encryption: Any = None
        """Not supported: an error."""

    def __init__(self, template: object, key: SigningKey, context: BuildContext) -> None:
        self._template = template
        self._key = key
        self._context = context
        self._is_of_head = all(depends_on_head_alone(each.reads) for each in _templates(template))

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Read the key."""
        if config.encryption is not None:
            raise context.error(
                "encryption", "encrypted JWTs are not supported", "sign the JWT, and send it over TLS"
            )
        template: object = config.template
        if not isinstance(template, Mapping | Template):
            raise context.error("template", "a template is an object, or an expression that yields one")
        algorithm = config.signature.algorithm
        if algorithm is not None and algorithm not in ALGORITHMS:
            fix = f"choose among {', '.join(ALGORITHMS)}"
            raise context.error(
                "signature/algorithm", f"{algorithm[:32]!r} is no algorithm that JWTs are signed with", fix
            )
        store = context.refer(config.secrets_provider, SecretStore, "secretsProvider")
        try:
            pem = crypto_key(store, config.signature.secret_id).private_key_pem
            key = read_signing_key(pem, algorithm, context.instance.clock.now())
        except (SecretError, KeyInvalid) as error:
            raise context.error("signature/secretId", str(error), "give a private key in PEM") from error
        return cls(cast("object", template), key, context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on with the JWT."""
        if head.exchange is None and not self._is_of_head:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        try:
            claims = self._evaluate(self._template, self._context.bindings(head))
            if not isinstance(claims, Mapping):
                return refusing(head, 500, "server_error", "the template yields no object")
            made = JwtBuilderContext(sign_with(claims, self._key, "JWT"), claims)
        except (ExpressionError, JsonError) as error:
            reason = explain(error) if isinstance(error, ExpressionError) else str(error)
            return refusing(head, 500, "server_error", f"the JWT cannot be made: {reason}")
        return next(head.with_context(made))

    def _evaluate(self, value: object, bindings: Mapping[str, object]) -> JsonValue:
        """Return the claims that `value` stands for. Raises `ExpressionError`."""
        if isinstance(value, Template):
            return value.evaluate(bindings)
        if isinstance(value, dict):
            members = {
                name: self._evaluate(each, bindings)
                for name, each in cast("dict[str, object]", value).items()
            }
            return {name: each for name, each in members.items() if each is not None}
        if isinstance(value, list):
            return [self._evaluate(each, bindings) for each in cast("list[object]", value)]
        return cast("JsonValue", value)


def _templates(value: object) -> Iterator[Template]:
    if isinstance(value, Template):
        yield value
    elif isinstance(value, dict):
        for each in cast("dict[str, object]", value).values():
            yield from _templates(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _templates(each)
