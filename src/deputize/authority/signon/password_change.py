"""How a user changes the password: on their own pages, or at a sign-on where they have to."""

from collections.abc import Mapping
from math import ceil

from deputize.audit.records import timestamp_text
from deputize.authority.passwords import TooBusy
from deputize.authority.services import Services
from deputize.authority.signon.attempts import TooManyFailures, is_password
from deputize.authority.signon.pages import Language, Problem
from deputize.authority.signon.sessions import begin_term
from deputize.authority.signon.step import Again, Done, Outcome, Situation
from deputize.oauth.usernames import comparison_form


async def change_password(
    situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Give who is signed on the password that they chose, if they know the present one.

    Whoever guesses that here is held up as at sign-on. Everything that rests on the user's sign-ons ends, all
    sessions and what agents obtained; this browser gets a session of its own, with what was proved in it.
    """
    user, environment_id = situation.somebody.user, situation.environment.id
    current, chosen = form.get("current", ""), form.get("new", "")

    def refuse(text: str, reason: str, status: int = 400, wait: float = 0) -> Again:
        waits = {"waits_until": timestamp_text(situation.now + wait)} if wait else {}
        services.record("password change refused", environment_id, reason, user_id=user.id, **waits)
        field = "current" if status == 400 else ""
        return Again([Problem(language.text(text, minutes=ceil(wait / 60)), field)], status=status)

    if problems := await _find_problems(situation, language, form, services):
        return Again(problems)
    try:
        accepted = await is_password(user.username, user, current, situation, services)
        password_hash = await services.passwords.hash(chosen) if accepted else ""
    except TooManyFailures as error:
        return refuse("factors.locked", str(error), 429, error.until - situation.now)
    except TooBusy as error:
        return refuse("password.busy", str(error), 503)
    if not accepted:
        return refuse("password.wrong", "the password is wrong")
    changed = await services.store.users.change_password(user, password_hash)
    if changed is None:
        return refuse("password.wrong", "it was changed meanwhile, or the user is disabled or gone")
    services.record("password changed", environment_id, user_id=user.id, username=user.username)
    return Done(await begin_term(changed, situation, services))


async def _find_problems(
    situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> list[Problem]:
    """Say what is wrong with what was typed, as far as that can be told without checking the password."""
    current, chosen, policy = form.get("current", ""), form.get("new", ""), situation.environment.settings
    lengths = policy.password_policy
    if not current:
        return [Problem(language.text("password.enter_current"), "current")]
    if not lengths.min_length <= len(chosen) <= lengths.max_length:
        bounds = {"min": lengths.min_length, "max": lengths.max_length}
        return [Problem(language.text("password.length", **bounds), "new")]
    if chosen == current or comparison_form(chosen) == comparison_form(situation.somebody.user.username):
        return [Problem(language.text("password.another"), "new")]
    if services.breached_passwords and await services.breached_passwords.include(chosen):
        return [Problem(language.text("password.breached"), "new")]
    if form.get("repeat", "") != chosen:
        return [Problem(language.text("password.differs"), "repeat")]
    return []
