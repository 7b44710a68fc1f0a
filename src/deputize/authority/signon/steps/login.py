"""The Login step: a name and a password, unless the browser's session is good enough."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Annotated

from pydantic import Field

from deputize.audit.records import timestamp_text
from deputize.authority.factors.passkeys import relying_party
from deputize.authority.passwords import TooBusy
from deputize.authority.services import Services
from deputize.authority.signon.attempts import TooManyFailures, is_password
from deputize.authority.signon.pages import Language, Problem
from deputize.authority.signon.proofs import passkey_options, prove_by_passkey
from deputize.authority.signon.sessions import sign_on
from deputize.authority.signon.step import (
    Again,
    Done,
    Elsewhere,
    Outcome,
    SignOnStep,
    Situation,
    StepSettings,
)
from deputize.kernel.digests import digest
from deputize.kernel.values import JsonObject
from deputize.oauth.errors import LoginRequired
from deputize.oauth.factors import PASSKEY, PASSWORD, by_provider
from deputize.oauth.records.directory import Step
from deputize.oauth.relying_party import find_provider
from deputize.oauth.usernames import MAX_LENGTH, canonical

MAX_TYPED = 1024
"""Characters of a name that are looked at: its canonical form may be shorter."""


class LoginSettings(StepSettings):
    """Settings of the step `login`: what does as well as a password."""

    or_passkey: bool | None = None
    """`true`: a passkey, which verifies its user."""
    or_providers: Annotated[tuple[str, ...], Field(max_length=16)] | None = None
    """A sign-on with one of these identity providers of the environment."""


def login_settings_of(steps: Iterable[Step]) -> JsonObject:
    """Return the settings with which every way to sign on counts that `steps` know."""
    every = [*steps]
    providers = [str(each.settings["provider"]) for each in every if each.type == "EXTERNAL"]
    providers += [name for each in every for name in providers_of(each)]
    return {
        "or_passkey": any(each.type == "PASSKEY" or each.settings.get("or_passkey") for each in every),
        "or_providers": tuple(dict.fromkeys(providers)),
    }


def providers_of(step: Step) -> Sequence[str]:
    """Return the names of the identity providers that do as well as a password."""
    names = step.settings.get("or_providers")
    return [str(each) for each in names] if isinstance(names, list | tuple) else ()


def is_due(step: Step, situation: Situation) -> bool:
    """Return whether nobody signed on here in a way that counts, or not recently enough."""
    passkeys = [PASSKEY] if step.settings.get("or_passkey") else []
    return not situation.has_factor(PASSWORD, *passkeys, *map(by_provider, providers_of(step)))


def page_values(step: Step, situation: Situation, again: Again) -> Mapping[str, object]:
    """Fill the name in where it is known."""
    hint = situation.request.login_hint or "" if situation.request else ""
    if situation.signed_on and situation.is_recent:
        hint = situation.signed_on.user.username
    offers_passkey = step.settings.get("or_passkey") and relying_party(situation.environment).is_possible
    return {
        "agent_name": situation.agent_name,
        "purpose": situation.purpose,
        "stranger": situation.stranger,
        "username": again.typed or hint[:MAX_LENGTH],
        "passkey_options": passkey_options(situation) if offers_passkey else "",
        "providers": [find_provider(situation.environment, name) for name in providers_of(step)],
    }


async def submit(
    step: Step, situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Take what the page asked for."""
    if (name := form.get("provider", "")) in providers_of(step):
        return Elsewhere(name)
    if form.get("action") == "passkey" and step.settings.get("or_passkey"):
        return await prove_by_passkey(situation, language, form, services)
    return await prove_by_password(situation, language, form, services)


async def prove_by_password(
    situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Sign the user on, or say in the same words and time that this did not work, whatever the reason."""
    username = canonical(form.get("username", "")[:MAX_TYPED])[:MAX_LENGTH]
    password = form.get("password", "")
    missing = [name for name, typed in (("username", username), ("password", password)) if not typed]
    if missing:
        return Again([Problem(language.text(f"login.enter_{name}"), name) for name in missing], username)
    user = await services.store.users.find_user(situation.environment.id, username)
    environment_id = situation.environment.id
    # Whom the attempt is about. What is no user's name may be a password typed in the wrong place, and is not
    # written.
    who = {
        "user_id": user.id if user else None,
        "username": user.username if user else None,
        "unknown_username_digest": None if user else digest(username)[:16],
        "client_id": situation.request.client.id if situation.request else None,
    }
    try:
        accepted = await is_password(username, user, password, situation, services)
    except TooManyFailures as error:
        services.record(
            "sign-on refused", environment_id, str(error), **who, waits_until=timestamp_text(error.until)
        )
        minutes = ceil((error.until - situation.now) / 60)
        return Again([Problem(language.text("login.locked", minutes=minutes))], username, 429)
    except TooBusy as error:
        services.record("sign-on refused", environment_id, str(error), **who)
        return Again([Problem(language.text("login.busy"))], username, 503)
    if user is None or not accepted or not user.enabled:
        reason = (
            "the name is unknown"
            if user is None
            else "the user is disabled"
            if accepted
            else "the password is wrong"
        )
        services.record("sign-on refused", environment_id, reason, **who)
        return Again([Problem(language.text("login.failed"), "username")], username)
    if situation.request and situation.request.hinted_user_id not in {None, user.id}:
        services.record("sign-on refused", environment_id, "the request is about another user", **who)
        problem = language.text("login.somebody_else", agent=situation.agent_name)
        return Again([Problem(problem, "username")], username)
    return Done(await sign_on(user, PASSWORD, situation, services))


LOGIN = SignOnStep(
    "LOGIN",
    "login",
    "deputize.authority.signon.steps",
    is_due,
    page_values,
    submit,
    settings=LoginSettings,
    signs_on=True,
    reads_factors=lambda step: bool(step.settings.get("or_passkey")),
    providers=providers_of,
    unprompted_error=LoginRequired,
)
