"""Whether both programs are there, ready, and tell the same time."""

from email.utils import parsedate_to_datetime

from deputize.diagnosis import causes
from deputize.diagnosis.case import Case
from deputize.diagnosis.checks.check import INITIALIZE, Check, Fine, call_server, check_clock
from deputize.diagnosis.findings import Found, NotTried
from deputize.diagnosis.web import NoAnswer, ReadAnswer, keeps_secrets
from deputize.kernel.uris import parse_origin


async def reach_authority(case: Case) -> Fine:
    """See that the authority answers, over TLS where secrets travel, and is ready."""
    origin = parse_origin(case.options.issuer)
    url = f"{origin}/health/ready"
    answer = await case.web.get(url)
    keep_date(case, "authority", answer)
    if answer.status == 503:
        raise Found(causes.AUTHORITY_NOT_READY, url=url, status="503")
    if not keeps_secrets(origin):
        raise Found(causes.CLEAR_TEXT, url=str(origin))
    return Fine(f"{origin} answers")


async def reach_gateway(case: Case) -> Fine:
    """See that the gateway answers, over TLS where tokens travel."""
    origin = parse_origin(case.options.gateway_url)
    case.unasked = answer = await call_server(case, INITIALIZE, None)
    keep_date(case, "gateway", answer)
    if not keeps_secrets(origin):
        raise Found(causes.CLEAR_TEXT, url=str(origin))
    return Fine(f"{origin} answers")


async def ask_readiness(case: Case) -> Fine:
    """Ask the gateway's administration endpoint."""
    if case.options.admin_url is None:
        raise NotTried("give --gateway-admin, the address of the administration endpoint")
    url = f"{case.options.admin_url.rstrip('/')}/health/ready"
    try:
        answer = await case.web.get(url)
    except (Found, NoAnswer) as error:
        raise Found(causes.GATEWAY_NOT_READY, (str(error),), url=url, status="not at all") from error
    if answer.status != 200:
        raise Found(causes.GATEWAY_NOT_READY, url=url, status=str(answer.status))
    return Fine("it takes traffic, and its audit is written")


async def compare_clocks(case: Case) -> Fine:
    """Compare the clocks of both with ours, by the field Date of their answers (RFC 9110 section 6.6.1)."""
    if not case.dates:
        raise NotTried("neither of them says what time it is")
    for party, shown in case.dates.items():
        check_clock(case, party, shown, f"Date of the {party}")
    return Fine(f"they differ by less than {case.options.tolerance:.0f} seconds")


def keep_date(case: Case, party: str, answer: ReadAnswer) -> None:
    """Remember what time a program says it is."""
    try:
        case.dates[party] = parsedate_to_datetime(answer.headers.get("date") or "").timestamp()
    except ValueError:
        return


CHECKS = (
    Check("authority", "The authority answers", reach_authority),
    Check("gateway", "The gateway answers", reach_gateway),
    Check("gateway-ready", "The gateway is ready", ask_readiness, ("gateway",)),
    Check("clocks", "The clocks agree", compare_clocks),
)
