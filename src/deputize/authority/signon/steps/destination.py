"""The page before a user goes on to a program that nobody can identify: it names where they go.

It comes by itself, after the steps of whatever policy: a public client on the user's own device is any
program there that claims to be it (RFC 8252 section 8.6), also where the user signed on and agreed long ago.
"""

from collections.abc import Mapping

from deputize.authority.services import Services
from deputize.authority.signon.disclosure import returns_to
from deputize.authority.signon.pages import Language
from deputize.authority.signon.step import (
    Again,
    Declined,
    Done,
    Outcome,
    SignOnStep,
    Situation,
    SomebodyElse,
)
from deputize.oauth.records.directory import Step


def is_due(_step: Step, situation: Situation) -> bool:
    """Return whether this user was not yet shown, since the request began, where they go on to.

    An agreement that they accepted meanwhile stood on a page that named it too.
    """
    request, signed_on = situation.request, situation.signed_on
    if request is None or signed_on is None or not request.may_be_anybodys:
        return False
    agreed = (consent.id for consent in signed_on.consents_for(request.client.id))
    return situation.notes.isdisjoint({_note(situation), *agreed})


def page_values(_step: Step, situation: Situation, _again: Again) -> Mapping[str, object]:
    """Say who is about to go on, and where to."""
    return {
        "agent_name": situation.agent_name,
        "stranger": situation.stranger,
        "username": situation.somebody.user.username,
        "goes_to": returns_to(situation.redirect_uri).name,
    }


async def submit(
    _step: Step, situation: Situation, _language: Language, form: Mapping[str, str], _services: Services
) -> Outcome:
    """Go on, for this user and this request only."""
    match form.get("action"):
        case "go-on":
            return Done(note=_note(situation))
        case "switch":
            return SomebodyElse()
        case _:
            return Declined("The user did not go on")


def _note(situation: Situation) -> str:
    """What the flow remembers: one session's, so that nobody answers for who signs on after them."""
    return f"to_{situation.somebody.session.id}"


DESTINATION = SignOnStep(
    "DESTINATION", "destination", "deputize.authority.signon.steps", is_due, page_values, submit
)
