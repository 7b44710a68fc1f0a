"""The page on which a user chooses another password, who signed on with a temporary one.

It comes by itself, in whatever policy: after everything by which the policy has the user prove who they are,
so that who knows the temporary password alone changes none.
"""

from collections.abc import Mapping

from deputize.authority.services import Services
from deputize.authority.signon.pages import Language
from deputize.authority.signon.password_change import change_password
from deputize.authority.signon.step import Again, Outcome, SignOnStep, Situation, SomebodyElse
from deputize.oauth.factors import PASSWORD
from deputize.oauth.records.directory import Step


def is_due(_step: Step, situation: Situation) -> bool:
    """Return whether who is signed on proved a password that they have to change."""
    somebody = situation.signed_on
    return situation.has_factor(PASSWORD) and somebody is not None and somebody.user.must_change_password


def page_values(_step: Step, situation: Situation, _again: Again) -> Mapping[str, object]:
    """Say whose password it is, and how long one has to be."""
    lengths = situation.environment.settings.password_policy
    return {"username": situation.somebody.user.username, "lengths": lengths}


async def submit(
    _step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Take the new password."""
    if form.get("action") == "switch":
        return SomebodyElse()
    return await change_password(situation, language, form, services)


NEW_PASSWORD = SignOnStep(
    "NEW_PASSWORD", "new_password", "deputize.authority.signon.steps", is_due, page_values, submit
)
