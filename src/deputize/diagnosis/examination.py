"""Makes the checks one after the other, and in the end gives back what they got."""

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from deputize.diagnosis.browser import Browser
from deputize.diagnosis.case import Case, Options
from deputize.diagnosis.checks import CHECKS
from deputize.diagnosis.checks.check import Check, mcp_fields
from deputize.diagnosis.findings import Finding, Found, NotTried, safe
from deputize.diagnosis.web import NoAnswer, Web
from deputize.kernel.clock import Clock


async def examine(
    options: Options,
    ca_pem: bytes | None,
    clock: Clock,
    tell: Callable[[Finding], None],
    say: Callable[[str], None],
) -> tuple[Finding, ...]:
    """Make every check that can be made, and return what each found.

    `tell` hears of each finding as it comes, `say` what a person is to do. Raises `UriError` and
    `http.tls.TlsError` for options that cannot be used.
    """
    web = Web(ca_pem, options.gateway_url)
    case = Case(options, web, clock, say, Browser(web, options.issuer))
    findings: list[Finding] = []
    try:
        for check in CHECKS:
            finding = await make(check, case, findings)
            findings.append(finding)
            tell(finding)
    finally:
        await give_back(case)
        await web.aclose()
    return tuple(findings)


async def make(check: Check, case: Case, before: list[Finding]) -> Finding:
    """Make one check, unless one that it needs did not succeed."""
    for finding in before:
        if finding.check in check.needs and finding.outcome != "ok":
            return Finding(check.name, check.title, "not tried", f"it needs {finding.check}")
    try:
        fine = await check.examine(case)
    except NotTried as lacking:
        return Finding(check.name, check.title, "not tried", str(lacking))
    except Found as found:
        # Commands take an environment's id for its name; the issuer of an authority of ours begins with it.
        environment = urlsplit(case.options.issuer).path.strip("/").partition("/")[0]
        values = {"environment": safe(environment), **found.values}
        symptom = found.cause.tell(found.cause.symptom, values)
        return Finding(check.name, check.title, "problem", symptom, found.evidence, found.cause, values)
    except NoAnswer as silent:
        return Finding(check.name, check.title, "problem", safe(str(silent)))
    return Finding(check.name, check.title, "ok", safe(fine.said), tuple(map(safe, fine.evidence)))


async def give_back(case: Case) -> None:
    """Leave nothing behind: end the MCP session, revoke the tokens, sign the user off."""
    with suppress(Found, NoAnswer, NotTried):
        if case.session and case.exchanged:
            fields = mcp_fields(case, case.exchanged.value)
            await case.web.ask("DELETE", case.options.gateway_url, fields)
    for token in case.obtained:
        with suppress(Found, NoAnswer, NotTried):
            url = case.endpoint("revocation_endpoint")
            await case.web.post(url, {"token": token}, (case.agent.basic(),))
    if case.browser.has_session:
        with suppress(Found, NoAnswer, NotTried):
            page = await case.browser.open(case.endpoint("end_session_endpoint"))
            if page.form:
                await case.browser.submit(page, {}, "sign-off")
