"""The option that names certificate authorities."""

from pathlib import Path

import click

from deputize.http.tls import TlsError, client_context


class CertificateAuthorities(click.ParamType[bytes]):
    """A PEM file of certificate authorities."""

    name = "FILE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Return the content of the file, which can be used."""
        try:
            content = Path(str(value)).read_bytes()
            client_context(content)
        except (OSError, TlsError) as error:
            self.fail(f"{value}: {getattr(error, 'strerror', None) or error}", param, ctx)
        return content
