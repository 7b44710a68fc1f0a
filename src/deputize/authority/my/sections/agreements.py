"""The agreements section: what a person agreed to each time, in its words, with a signed receipt."""

from collections.abc import Mapping

from deputize.authority.my.section import Section, Visit
from deputize.authority.my.sections.agents import format_day, say_by_whom
from deputize.authority.signon.steps.agreement_prompt import to_safe_html
from deputize.http.messages import Body, Headers, Response
from deputize.jose import sign
from deputize.kernel.values import JsonObject
from deputize.oauth.records.directory import AgreementText
from deputize.oauth.records.store import Acceptance

RECEIPT_TYPE = "consent-receipt+jwt"
"""Header `typ` of receipts: nothing takes one for a token (RFC 8725 section 3.11)."""


async def show(visit: Visit) -> Response:
    """Show what the person agreed to, the newest first, or hand out the receipt that the query names."""
    call, user = visit.call, visit.signed_on.user
    store = call.services.store.acceptances
    wanted, listed = call.query().get("receipt", ""), list[dict[str, object]]()
    for each in await store.acceptances_of(call.environment.id, user.id):
        words = await store.find_wording(call.environment.id, each.wording) if each.wording else None
        if each.id == wanted:
            return _hand_out(visit, each, words)
        agent, text = call.environment.agents.get(each.client_id), _text_of(words)
        listed.append(
            {
                "id": each.id,
                "agent": agent.title if agent else each.client_id,
                "accepted": format_day(each.accepted_at),
                "withdrawn": format_day(each.withdrawn_at),
                "by": say_by_whom(visit, each),
                "version": each.version,
                "locale": each.locale,
                "title": text.title if text else "",
                "text": to_safe_html(text) if text else "",
            }
        )
    return visit.show({"acceptances": listed})


def _text_of(words: JsonObject | None) -> AgreementText | None:
    shown = words["agreement"] if words else None
    if not isinstance(shown, Mapping):
        return None
    language, title, kind, text = (str(shown[each]) for each in ("language", "title", "content_type", "text"))
    return AgreementText(language, title, kind, text, "")


def _hand_out(visit: Visit, acceptance: Acceptance, words: JsonObject | None) -> Response:
    """Answer with the receipt: a JWS that the environment's published keys verify; it holds no secret."""
    environment, user = visit.call.environment, visit.signed_on.user
    receipt: JsonObject = {
        "user": {"id": user.id, "username": user.username},
        "agent_id": acceptance.client_id,
        "agreement_id": acceptance.agreement_id,
        "version": acceptance.version,
        "revision": acceptance.revision,
        "language": acceptance.locale,
        "accepted_at": acceptance.accepted_at,
        "expires_at": acceptance.expires_at,
        "withdrawn_at": acceptance.withdrawn_at,
        "withdrawn_by": acceptance.withdrawn_by,
        "covers": {
            agent: {resource: list(scopes) for resource, scopes in each.items()}
            for agent, each in acceptance.covers.items()
        },
        "words": words,
    }
    claims: JsonObject = {"iss": environment.issuer, "iat": int(visit.call.now), "receipt": receipt}
    headers = Headers([(b"Content-Type", b"application/jose"), (b"Cache-Control", b"no-store")])
    headers.add("Content-Disposition", f'attachment; filename="receipt-{acceptance.id}.jws"')
    return Response(200, headers, Body(sign(claims, environment.keys, RECEIPT_TYPE).encode()))


AGREEMENTS = Section("agreements", "deputize.authority.my.sections", show)
