"""How a user proves a factor on a page of a flow, whichever step shows it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import ceil

from deputize.audit.records import timestamp_text
from deputize.authority.factors import challenges, passkeys, recovery_codes, totp
from deputize.authority.factors.passkeys import PasskeyInvalid
from deputize.authority.services import Services
from deputize.authority.signon.attempts import choose_code_throttles, choose_throttles, network_of
from deputize.authority.signon.pages import Language, Problem
from deputize.authority.signon.sessions import add_factor, sign_on
from deputize.authority.signon.step import Again, Done, Outcome, Situation
from deputize.kernel.strict_json import dumps
from deputize.oauth.client_names import shown_name
from deputize.oauth.factors import PASSKEY, RECOVERY_CODE, TOTP
from deputize.oauth.records.directory import Environment
from deputize.oauth.records.store import Factor, FactorKind, User

STRONG = (PASSKEY, TOTP, RECOVERY_CODE)
"""What proves more than a password does."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody's attempt to prove that they are a user, as records tell it."""

    situation: Situation
    services: Services
    user: User | None

    def refuse(self, reason: str, **members: str) -> None:
        """Record that it was refused."""
        self.services.record(
            "sign-on refused",
            self.situation.environment.id,
            reason,
            user_id=self.user.id if self.user else None,
            username=self.user.username if self.user else None,
            client_id=self.situation.request.client.id if self.situation.request else None,
            **members,
        )


def of_kind(situation: Situation, kind: FactorKind) -> tuple[Factor, ...]:
    """Return what the user who is signed on has of a kind."""
    return tuple(each for each in situation.factors if each.kind == kind)


def may_enrol(situation: Situation) -> bool:
    """Return whether who is signed on may get another factor: whoever has one has to prove one first.

    Otherwise whoever knows the password could put a factor of their own beside the user's.
    """
    has_strong = any(each.kind in {"passkey", "totp"} for each in situation.factors)
    return situation.has_factor(*STRONG) or not has_strong


def passkey_options(situation: Situation) -> str:
    """Write what a browser is asked: for a passkey of who is signed on, else for anybody's."""
    party, mine = passkeys.relying_party(situation.environment), of_kind(situation, "passkey")
    somebody_known = situation.signed_on is not None and situation.is_recent
    return dumps(
        passkeys.request_options(party, mine if somebody_known else (), situation.challenge)
    ).decode()


async def prove_by_passkey(
    situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Take a passkey: of who is signed on, or where nobody is, of whoever it says.

    It has to have signed this page's challenge, for this site, and to have verified its user. Whatever keeps
    the user from signing on by password keeps them from this too.
    """
    failed = Again([Problem(language.text("factors.passkey_refused"))])
    environment_id, store, now = situation.environment.id, services.store, situation.now
    attempt = Attempt(situation, services, None)
    try:
        assertion = passkeys.read_assertion(form.get("passkey", ""))
        found = await store.factors.find_factor(environment_id, "passkey", assertion.key)
        if found is None or not await challenges.is_due(
            services, environment_id, situation.flow_id, assertion.challenge, now
        ):
            attempt.refuse("nobody here has the passkey, or its challenge is of another page, or too old")
            return failed
        counter = passkeys.verify_assertion(passkeys.relying_party(situation.environment), assertion, found)
    except PasskeyInvalid as error:
        attempt.refuse(f"the passkey does not count: {error}")
        return failed
    user = await store.users.find_user_by_id(environment_id, found.user_id)
    attempt = Attempt(situation, services, user)
    is_first = await challenges.use_up(services, environment_id, assertion.challenge, now)
    if not is_first or user is None or not user.enabled:
        attempt.refuse("the user is disabled" if is_first else "the answer of the passkey was used before")
        return failed
    if locked := await wait_of(user, situation, services):
        attempt.refuse("too many failures", waits_until=timestamp_text(locked))
        return Again(
            [Problem(language.text("factors.locked", minutes=ceil((locked - now) / 60)))], status=429
        )
    if not await store.factors.use_factor(found, counter, now):
        attempt.refuse("the passkey is gone, or was used at the same time")
        return failed
    return await let_in(user, PASSKEY, situation, language, services)


async def let_in(
    user: User, factor: str, situation: Situation, language: Language, services: Services
) -> Outcome:
    """Sign a user on who just proved a factor that says who they are.

    Where somebody is signed on already whose sign-on counts, it has to be the same user.
    """
    attempt = Attempt(situation, services, user)
    if situation.request and situation.request.hinted_user_id not in {None, user.id}:
        attempt.refuse("the request is about another user")
        text = language.text("factors.somebody_else", agent=situation.agent_name)
        return Again([Problem(text)])
    if situation.signed_on and situation.is_recent and situation.signed_on.user.id != user.id:
        attempt.refuse("somebody else is signed on")
        return Again([Problem(language.text("factors.another_user"))])
    return Done(await sign_on(user, factor, situation, services))


async def wait_of(user: User, situation: Situation, services: Services) -> float | None:
    """Return until when the user's name is locked for who is here, or `None`; who proved it was they forgets
    what others tried.
    """
    failures, environment_id = services.store.sign_on_failures, situation.environment.id
    counts_for = await choose_throttles(user, network_of(situation.address), situation, services)
    locked = await failures.begin_attempt(environment_id, user.username, counts_for, situation.now)
    if locked is None:
        await failures.forget_attempts(environment_id, user.username, counts_for)
    return locked


async def prove_by_code(
    situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Take a code of the authenticator app of who is signed on, or one of their recovery codes, each once."""
    user, typed = situation.somebody.user, form.get("code", "")[:64]
    app = next(iter(of_kind(situation, "totp")), None)

    async def check() -> str | None:
        if recovery_codes.looks_like_one(typed):
            return RECOVERY_CODE if await recovery_codes.spend_code(services, user, typed) else None
        return TOTP if app and await totp.use_code(services, app, typed, situation.now) else None

    return await _attempt_code(situation, language, typed, services, check)


async def enrol_app(
    situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Keep the authenticator app that the page showed the secret to, once it shows the right code."""
    user, typed, sealed = situation.somebody.user, form.get("code", "")[:64], form.get("sealed", "")[:512]

    async def check() -> str | None:
        if not may_enrol(situation) or of_kind(situation, "totp"):
            return None
        return TOTP if await totp.enrol(services, user, sealed, typed, situation.now) else None

    outcome = await _attempt_code(situation, language, typed, services, check)
    if isinstance(outcome, Done):
        services.record("authenticator app added", situation.environment.id, user_id=user.id)
        return Done(outcome.session, note=enrolled_note(situation))
    return Again(outcome.problems, sealed, outcome.status) if isinstance(outcome, Again) else outcome


def enrolled_note(situation: Situation) -> str:
    """What the flow remembers of an app that was set up in it, until its recovery codes were shown."""
    return f"app_{situation.somebody.user.id}"


async def _attempt_code(
    situation: Situation,
    language: Language,
    typed: str,
    services: Services,
    check: Callable[[], Awaitable[str | None]],
) -> Outcome:
    """Count an attempt, as one of a password is; the session gets the factor that `check` finds."""
    somebody, failures = situation.somebody, services.store.sign_on_failures
    attempt, name = Attempt(situation, services, somebody.user), somebody.user.username
    if not typed.strip():
        return Again([Problem(language.text("factors.enter_code"), "code")])
    counts_for = await choose_code_throttles(somebody.user, situation, services)
    environment_id = situation.environment.id
    if locked := await failures.begin_attempt(environment_id, name, counts_for, situation.now):
        attempt.refuse("too many wrong codes", waits_until=timestamp_text(locked))
        minutes = ceil((locked - situation.now) / 60)
        return Again([Problem(language.text("factors.locked", minutes=minutes), "code")], status=429)
    factor = await check()
    if factor is None:
        attempt.refuse("the code is wrong, too old, or was used before")
        return Again([Problem(language.text("factors.code_refused"), "code")])
    await failures.forget_attempts(environment_id, name, counts_for)
    # Without a session that is as it was read, the user begins again.
    return Done(await add_factor(somebody, factor, situation, services))


async def add_passkey(
    situation: Situation, language: Language, form: Mapping[str, str], services: Services
) -> Outcome:
    """Keep the passkey that the browser just made for who is signed on, who proved it by making it."""
    user = situation.somebody.user
    refused = None if may_enrol(situation) else "another factor has to be proved first"
    refused = refused or await keep_passkey(
        services, situation.environment, user, situation.flow_id, form, situation.now
    )
    if refused:
        Attempt(situation, services, user).refuse(f"the passkey was not added: {refused}")
        return Again([Problem(language.text("factors.passkey_not_added"))])
    return Done(await add_factor(situation.somebody, PASSKEY, situation, services))


async def keep_passkey(
    services: Services, environment: Environment, user: User, page: str, form: Mapping[str, str], now: float
) -> str | None:
    """Keep the passkey that the browser made on `page`; return why not, for the log, or `None`."""
    answer = form.get("passkey", "")
    try:
        challenge = passkeys.read_challenge(answer)
        if not await challenges.is_due(services, environment.id, page, challenge, now):
            return "the challenge is of another page, or its time is over"
        key, material, counter = passkeys.verify_registration(
            passkeys.relying_party(environment), challenge, answer
        )
    except PasskeyInvalid as error:
        return str(error)
    if not await challenges.use_up(services, environment.id, challenge, now):
        return "the answer was used before"
    factor = Factor(
        id=services.new_id(),
        environment_id=environment.id,
        user_id=user.id,
        kind="passkey",
        key=key,
        name=shown_name(form.get("name"), ()),
        material=material,
        counter=counter,
        created_at=now,
    )
    if not await services.store.factors.add_factor(factor, passkeys.MOST):
        return f"the user has {passkeys.MOST} passkeys, or somebody has this one"
    services.record("passkey added", environment.id, user_id=user.id, passkey_id=factor.id)
    return None
