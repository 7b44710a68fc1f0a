"""`AllowOnlyFilter`: passes on what one of its rules allows (gateway-config reference 4.7)."""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, Self, TypeAlias
from urllib.parse import unquote

from pydantic import Field, PlainValidator

from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import (
    ConditionText,
    OneOrMore,
    PatternText,
    Reference,
    Settings,
    TemplateText,
)
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.conditions import PlacedCondition
from deputize.gateway.exchange.refusals import refusing
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Handler, Plan, Prepare

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_FIX: Final = "have clients show certificates (clientAuth), and bind tokens to them (cnf)"


class AddressRange(NamedTuple):
    """The first and the last address of a range, a network or a single address."""

    first: Address
    last: Address


class PortRange(NamedTuple):
    """The first and the last port."""

    first: int
    last: int


def _parse_addresses(value: object) -> AddressRange:
    if not isinstance(value, str):
        raise ValueError("addresses are texts such as 10.0.0.1, 10.0.0.0/8 or 10.0.0.1-10.0.0.9")  # noqa: TRY004
    first, dash, last = value.partition("-")
    if dash:
        begin, end = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
        if begin.version != end.version or int(begin) > int(end):
            raise ValueError(f"{value!r} is no range of addresses")
        return AddressRange(begin, end)
    network = ipaddress.ip_network(value.strip(), strict=False)
    return AddressRange(network[0], network[-1])


def _parse_ports(value: object) -> PortRange:
    first, _, last = str(value).partition(":")
    try:
        return PortRange(int(first), int(last or first))
    except ValueError as error:
        raise ValueError(f"{value!r} is neither a port nor a range such as 8000:8080") from error


Addresses = OneOrMore[Annotated[AddressRange, PlainValidator(_parse_addresses)]]
Ports = OneOrMore[Annotated[PortRange, PlainValidator(_parse_ports)]]


class AllowedAddresses(Settings):
    """Addresses of clients."""

    list: Addresses = Field(min_length=1)
    """Addresses, networks such as `10.0.0.0/8`, and ranges such as `10.0.0.1-10.0.0.9`."""
    resolver: TemplateText | None = None
    """Yields the client's address. By default the one that the connection comes from, or that one of
    `trustedProxies` of `admin.json` names.
    """


class AllowedSource(Settings):
    """Where requests may come from."""

    ip: AllowedAddresses | None = None
    """The client's address."""
    certificate: Any = None
    """Not supported: an error."""


class AllowedDestination(Settings):
    """What may be asked for; what is absent allows all."""

    hosts: OneOrMore[PatternText] = ()
    """Regular expressions for the whole host."""
    ports: Ports = ()
    """Ports, and ranges such as `8000:8080`."""
    methods: OneOrMore[str] = ()
    """Methods."""
    paths: OneOrMore[PatternText] = ()
    """Regular expressions for the whole path."""


class AllowRule(Settings):
    """All of its parts have to hold; one that is absent does."""

    name: str | None = None
    """Names the rule for the reader."""
    source: OneOrMore[AllowedSource] = Field((), alias="from")
    """One of them has to hold."""
    destination: OneOrMore[AllowedDestination] = ()
    """One of them has to hold."""
    when: ConditionText | None = None
    """A condition; one that compares what is missing does not hold."""


@dataclass(frozen=True, slots=True)
class _PlacedRule:
    written: AllowRule
    when: PlacedCondition | None
    context: BuildContext

    def allows(self, head: Head) -> bool:
        """Whether each part holds. Raises `ExpressionError`."""
        written = self.written
        return (
            (not written.source or any(map(self._comes_from(head), written.source)))
            and (not written.destination or any(_goes_to(each, head) for each in written.destination))
            and (self.when is None or self.when.permits(head))
        )

    def _comes_from(self, head: Head) -> Callable[[AllowedSource], bool]:
        def holds(source: AllowedSource) -> bool:
            return source.ip is None or _is_within(self._address(source.ip.resolver, head), source.ip.list)

        return holds

    def _address(self, resolver: Template | None, head: Head) -> str | None:
        if resolver is not None:
            return self.context.text(resolver, head)
        hops = ",".join(head.headers.get_all("x-forwarded-for")).split(",")
        return hops[-2].strip() if len(hops) > 1 else head.peer.remote_address


class AllowOnlyFilter:
    """Refuses with 401, or hands over to the failure handler, what no rule allows."""

    class Config(Settings):
        """The rules."""

        rules: OneOrMore[AllowRule] = Field(min_length=1)
        """What is allowed; one rule that holds is enough."""
        failure_handler: Reference | None = None
        """Answers what no rule allows; without it the answer is 401."""

    def __init__(self, rules: Sequence[_PlacedRule], failure: Handler | None) -> None:
        self._rules = rules
        self._failure = failure
        self._is_of_head = all(
            (rule.when is None or rule.when.depends_on_head_alone)
            and all(
                depends_on_head_alone(each.ip.resolver.reads)
                for each in rule.written.source
                if each.ip and each.ip.resolver
            )
            for rule in rules
        )

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Place the conditions. A rule about the subject of a certificate is refused."""
        rules: list[_PlacedRule] = []
        for index, rule in enumerate(config.rules):
            for at, source in enumerate(rule.source):
                if source.certificate is not None:
                    key = f"rules/{index}/from/{at}/certificate"
                    raise context.error(
                        key, "rules about the subject of a certificate are not supported", _FIX
                    )
            when = context.condition(rule.when, f"rules/{index}/when") if rule.when else None
            rules.append(_PlacedRule(rule, when, context))
        return cls(rules, context.refer_if_set(config.failure_handler, Handler, "failureHandler"))

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on what a rule allows."""
        if head.exchange is None and not self._is_of_head:
            return Plan.anew(head, lambda at: self.prepare(at, next))
        if any(rule.allows(head) for rule in self._rules):
            return next(head)
        return refusing(head, 401, "not_allowed", "no rule of the AllowOnlyFilter allows it", self._failure)


def _goes_to(allowed: AllowedDestination, head: Head) -> bool:
    origin, path = head.origin, unquote(head.target.path)
    host, port = (origin.host, origin.port) if origin else ("", 0)
    return (
        (not allowed.hosts or any(each.matches(host) for each in allowed.hosts))
        and (not allowed.ports or any(first <= port <= last for first, last in allowed.ports))
        and (not allowed.methods or head.method in allowed.methods)
        and (not allowed.paths or any(each.matches(path) for each in allowed.paths))
    )


def _is_within(address: str | None, ranges: Sequence[AddressRange]) -> bool:
    """Whether the address lies in one of them; IPv4 addresses mapped into IPv6 count as IPv4."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    found = mapped or parsed
    return any(
        first.version == found.version and int(first) <= int(found) <= int(last) for first, last in ranges
    )
