"""`deputize doctor`: run the whole use case against an authority and a gateway, and say what is wrong."""

import asyncio
import json
from pathlib import Path

import click

from deputize.cli.certificates import CertificateAuthorities
from deputize.diagnosis.case import AGENT_AUDIENCE, AGENT_SCOPE, REDIRECT_URI, KnownSecret, Options
from deputize.diagnosis.examination import examine
from deputize.diagnosis.findings import Finding
from deputize.kernel.clock import SystemClock
from deputize.kernel.uris import UriError, parse_origin

_MARKS = {"ok": "ok       ", "problem": "PROBLEM  ", "not tried": "-        "}
_MAX_SECRET = 4096


class UrlOption(click.ParamType[str]):
    """An absolute http or https URL."""

    name = "URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL that was typed, unchanged: a slash at its end may be what is wrong."""
        try:
            parse_origin(str(value))
        except UriError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class SecretFile(click.ParamType[str]):
    """A file that holds a secret, which is not to stand in a command line."""

    name = "FILE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return what the file holds, without a line end."""
        try:
            with Path(str(value)).open("rb") as file:
                content = file.read(_MAX_SECRET + 1)
            text = content.decode("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            self.fail(f"{value}: {getattr(error, 'strerror', None) or 'not UTF-8'}", param, ctx)
        if not text or len(content) > _MAX_SECRET:
            self.fail(f"{value}: holds nothing, or more than a secret", param, ctx)
        return text


@click.command("doctor")
@click.option(
    "--authority", "issuer", type=UrlOption(), required=True, help="The issuer, as deputize apply prints it."
)
@click.option(
    "--gateway", type=UrlOption(), required=True, help="The MCP server's address, as clients are given it."
)
@click.option("--client-id", metavar="ID", help="The agent's client id.")
@click.option(
    "--client-secret-file", "client_secret", type=SecretFile(), help="File with the agent's secret."
)
@click.option("--user", metavar="NAME", help="A user who signs on through the agent: best one for tests.")
@click.option("--password-file", "password", type=SecretFile(), help="File with the user's password.")
@click.option("--accept", "accepts", is_flag=True, help="Agree for the user where the agreement is due.")
@click.option("--browser", is_flag=True, help="Open a browser, in which a person signs on instead.")
@click.option("--resource-id", metavar="ID", help="The id with which the gateway introspects.")
@click.option("--resource-secret-file", "resource_secret", type=SecretFile(), help="File with its secret.")
@click.option(
    "--gateway-admin",
    "admin_url",
    type=UrlOption(),
    help="The gateway's administration, http://localhost:8085.",
)
@click.option("--redirect-uri", default=REDIRECT_URI, show_default=True, help="A redirect URI of the agent.")
@click.option(
    "--scope",
    "scopes",
    metavar="SCOPES",
    default="",
    help="Of the MCP token. Default: what the gateway asks for.",
)
@click.option(
    "--agent-scope", default=AGENT_SCOPE, show_default=True, help="Scope of subject and actor token."
)
@click.option(
    "--agent-audience", default=AGENT_AUDIENCE, show_default=True, help="Audience of subject and actor token."
)
@click.option(
    "--ca-file",
    "ca_pem",
    type=CertificateAuthorities(),
    help="Certificate authorities to trust beside the system's (PEM).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, when all is done.")
def doctor(  # noqa: PLR0913, PLR0917 - one parameter an option
    issuer: str,
    gateway: str,
    client_id: str | None,
    client_secret: str | None,
    user: str | None,
    password: str | None,
    resource_id: str | None,
    resource_secret: str | None,
    admin_url: str | None,
    redirect_uri: str,
    scopes: str,
    agent_scope: str,
    agent_audience: str,
    ca_pem: bytes | None,
    *,
    accepts: bool,
    browser: bool,
    as_json: bool,
) -> None:
    """Run the use case as an agent would, and say what is wrong.

    It does what an agent does, from discovery to a call and an event stream, as far as it is given
    credentials. In the end it revokes the tokens that it got, and signs the user off. Nothing secret is
    printed. Ends with 1 where something is wrong.
    """
    options = Options(
        issuer=issuer,
        gateway_url=gateway,
        client=pair_of(client_id, client_secret, "--client-id and --client-secret-file"),
        user=pair_of(user, password, "--user and --password-file"),
        resource=pair_of(resource_id, resource_secret, "--resource-id and --resource-secret-file"),
        redirect_uri=redirect_uri,
        agent_scope=agent_scope,
        agent_audience=agent_audience,
        scopes=tuple(scopes.split()),
        admin_url=admin_url,
        accepts=accepts,
        browser=browser,
    )

    def show(finding: Finding) -> None:
        if not as_json:
            click.echo("\n".join(lines_of(finding)))

    def say(text: str) -> None:
        click.echo(text, err=True)

    findings = asyncio.run(examine(options, ca_pem, SystemClock(), show, say))
    problems = [each for each in findings if each.outcome == "problem"]
    if as_json:
        document = {"healthy": not problems, "findings": [each.json() for each in findings]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(verdict_of(findings))
    if problems:
        raise click.exceptions.Exit(1)


def pair_of(name: str | None, secret: str | None, options: str) -> KnownSecret | None:
    """Return both as credentials; `None` without either. Raises `click.UsageError` for one alone."""
    if (name is None) != (secret is None):
        raise click.UsageError(f"{options} go together")
    return KnownSecret(name, secret) if name is not None and secret is not None else None


def lines_of(finding: Finding) -> list[str]:
    """Return a finding as people read it."""
    lines = [f"{_MARKS[finding.outcome]}{finding.title}: {finding.said}"]
    indent = " " * len(_MARKS["ok"])
    if finding.cause:
        setting = finding.cause.setting
        lines += [f"{indent}cause: {finding.because}", f"{indent}fix:   {finding.fix}"]
        if setting:
            lines.append(f"{indent}where: {setting.place}")
    if finding.outcome == "problem":
        lines += [f"{indent}seen:  {each}" for each in finding.evidence]
    return lines


def verdict_of(findings: tuple[Finding, ...]) -> str:
    """Return how it went in one line."""
    counts = {name: sum(each.outcome == name for each in findings) for name in _MARKS}
    return f"\n{counts['ok']} in order, {counts['problem']} wrong, {counts['not tried']} not tried"
