"""Policies that demand more than a password, and users who have more."""

import re
from typing import Any

from pyotp.totp import TOTP

from deputize.oauth.records.directory import Policy, Step
from support.agent_delegation import AGREEMENT_ID, POLICY_NAME
from support.authority import Browser, RunningAuthority

AGREEMENT = Step("AGREEMENT", {"agreement": AGREEMENT_ID})
LOGIN = Step("LOGIN", {})


def demand(authority: RunningAuthority, *steps: Step) -> None:
    """Have the agent's policy consist of these steps, and the agreement."""
    policies = authority.directory.environment.policies
    policy = Policy("p-1", POLICY_NAME, (*steps, AGREEMENT), policies[POLICY_NAME].term)
    authority.directory.replace(policies={**policies, POLICY_NAME: policy})


def totp(**settings: Any) -> Step:
    return Step("TOTP", {"required_of": "everybody", "or_passkey": False, **settings})


def passkey(**settings: Any) -> Step:
    return Step("PASSKEY", {"required_of": "everybody", **settings})


def shown_secret(page: str) -> str:
    """The secret that a page tells to an authenticator app."""
    found = re.search(r"<code>([A-Z2-7 ]{39})</code>", page)
    assert found, "the page shows no secret"
    return found[1].replace(" ", "")


def code_of(secret: str, now: float, step: int = 0) -> str:
    return TOTP(secret).generate_otp(int(now) // 30 + step)


async def enrol(browser: Browser) -> str:
    """Set up an app on the page that is shown; its secret."""
    secret = shown_secret(browser.response.text)
    await browser.submit(1, code=code_of(secret, browser.authority.clock.now()), action="enrol")
    return secret
