"""An environment that takes identity assertions of two issuers, and these issuers' assertions."""

import itertools

from deputize.oauth.assertions import ID_JAG_TYPE
from deputize.oauth.grants.jwt_bearer import GRANT_TYPE
from deputize.oauth.records.directory import Policy, Step
from deputize.oauth.records.settings import TrustedIssuer, TrustedUsers
from support.agent_delegation import (
    AGENT,
    AGENT_ID,
    ENVIRONMENT,
    ISSUER,
    NOW,
    USER,
    USER_ID,
    World,
    with_agent,
)
from support.issuers import ALGORITHMS, jwk_set, signed
from support.records import replace

IDP = "https://idp.example.com"
OTHER_IDP = "https://other-idp.example.com"
KEY, OTHER_KEY = ALGORITHMS["ES256"], ALGORITHMS["RS256"]
SILENT = Policy("p-2", "Enterprise", (Step("LOGIN", {}),), term="p-term-2")
TRUST = TrustedIssuer(
    issuer=IDP,
    algorithms=["ES256"],
    jwks=jwk_set(k1=KEY),
    users=TrustedUsers(policy="Enterprise", subject="employee", decides_for_users=True),
)
OTHER_TRUST = TrustedIssuer(
    issuer=OTHER_IDP, algorithms=["RS256"], jwks=jwk_set(k2=OTHER_KEY), users=TRUST.users
)
NO_USERS = TrustedIssuer(issuer="https://ci.example.com", algorithms=["ES256"], jwks=jwk_set(k1=KEY))
CLIENT = replace(AGENT, grant_types=AGENT.grant_types | {GRANT_TYPE})
_NUMBERS = itertools.count()


def environment(*, agent=CLIENT, trusted=(TRUST, OTHER_TRUST, NO_USERS), **changes):
    changed = replace(
        with_agent(ENVIRONMENT, agent),
        policies={**ENVIRONMENT.policies, SILENT.name: SILENT},
        settings=ENVIRONMENT.settings.model_copy(update={"trusted_issuers": trusted}),
    )
    return replace(changed, **changes)


def world(**changes):
    world = World(environment(**changes))
    world.store.users[USER_ID] = replace(USER, attributes={"employee": "U019"})
    return world


def trusting(**changes):
    """Trusting the issuer's users in another way."""
    users = TRUST.users.model_copy(update=changes)
    return (TRUST.model_copy(update={"users": users}),)


def claims_of(**changes):
    claims = {
        "iss": IDP,
        "sub": "U019",
        "aud": ISSUER,
        "client_id": AGENT_ID,
        "exp": NOW + 300,
        "iat": NOW,
        "auth_time": int(NOW) - 50,
        "jti": f"jag-{next(_NUMBERS)}",
        "resource": "agent",
        "scope": "agent",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def id_jag(key=KEY, alg="ES256", kid="k1", typ=ID_JAG_TYPE, **changes):
    return signed(key, claims_of(**changes), alg, kid=kid, typ=typ)


async def redeem(world, text, client_id=AGENT_ID, **extra):
    return await world.ask({"grant_type": GRANT_TYPE, "assertion": text, **extra}, client_id)
