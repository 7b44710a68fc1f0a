"""`CertificateThumbprintFilter`: the certificate that a client showed to the proxy in front (RFC 8705)."""

from collections.abc import Mapping
from typing import Self

from deputize.expressions import ExpressionError
from deputize.expressions.functions.gateway.certificates import CERTIFICATE_THUMBPRINT
from deputize.expressions.gateway import Template
from deputize.gateway.config.settings import Reference, Settings, TemplateText, explain
from deputize.gateway.exchange.bindings import depends_on_head_alone
from deputize.gateway.exchange.forwarding import is_told_by_proxies
from deputize.gateway.exchange.proofs import ClientCertificateContext
from deputize.gateway.exchange.refusals import refusing
from deputize.gateway.loading.context import BuildContext
from deputize.http.exchange import Head
from deputize.http.plans import Handler, Plan, Prepare


class CertificateThumbprintFilter:
    """Has tokens that are bound to a certificate checked against the one that a proxy has seen.

    For where a proxy ends TLS and says in a header which certificate the client showed and proved. Put it
    before the `OAuth2ResourceServerFilter`. Without a certificate the answer is 403.
    """

    class Config(Settings):
        """Where the certificate is."""

        certificate: TemplateText
        """A runtime expression that yields it, such as
        `${pemCertificate(urlDecode(request.headers['X-Client-Cert'][0]))}`.

        Take a header that only `trustedProxies` of `admin.json` can send: `Client-Cert`, or one that begins
        with `X-Client-Cert`, `X-Forwarded` or `SSL-Client-`.
        """
        failure_handler: Reference | None = None
        """Answers requests without a certificate; without it the answer is 403."""

    def __init__(self, certificate: Template, failure: Handler | None, context: BuildContext) -> None:
        self._certificate = certificate
        self._failure = failure
        self._context = context

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Warn about a header that clients can send themselves."""
        for names in config.certificate.reads:
            if names[:2] == ("request", "headers") and not all(map(is_told_by_proxies, names[2:])):
                context.warn(
                    "certificate",
                    f"clients can send {'.'.join(names[2:])!r} themselves, with anybody's certificate",
                    "have the proxy send it as X-Client-Cert, and name the proxy in trustedProxies",
                )
        failure = context.refer_if_set(config.failure_handler, Handler, "failureHandler")
        return cls(config.certificate, failure, context)

    def prepare(self, head: Head, next: Prepare) -> Plan:
        """Pass on with the certificate, or refuse."""
        if head.exchange is None and not depends_on_head_alone(self._certificate.reads):
            return Plan.anew(head, lambda at: self.prepare(at, next))
        reason = "the certificate expression yields no certificate"
        try:
            found = self._certificate.evaluate(self._context.bindings(head))
        except ExpressionError as error:
            found, reason = None, f"the certificate expression failed: {explain(error)}"
        thumbprint = found.get(CERTIFICATE_THUMBPRINT) if isinstance(found, Mapping) else None
        if isinstance(thumbprint, str):
            return next(head.with_context(ClientCertificateContext(thumbprint)))
        return refusing(head, 403, "no_certificate", reason, self._failure)
