import pytest

from deputize.jose import decode_base64url
from deputize.kernel.strict_json import loads
from deputize.oauth.factors import PASSKEY, PASSWORD, RECOVERY_CODE, TOTP, amr_of, by_provider
from support.agent_delegation import WHO, World
from support.records import replace


@pytest.mark.parametrize(
    ("factors", "amr"),
    [
        ((), ()),
        ((PASSWORD,), ("pwd",)),
        ((PASSKEY,), ("mfa", "pop", "user")),
        ((PASSWORD, TOTP), ("mfa", "otp", "pwd")),
        ((PASSWORD, RECOVERY_CODE), ("mfa", "otp", "pwd")),
        ((TOTP, RECOVERY_CODE), ("otp",)),
        ((by_provider("corporate"),), ("fed",)),
        ((by_provider("corporate"), TOTP), ("fed", "mfa", "otp")),
    ],
)
def test_methods_are_named_in_the_words_of_rfc_8176(factors, amr):
    assert amr_of(dict.fromkeys(factors, 900)) == amr


async def test_tokens_say_how_the_user_signed_on_along_a_chain_too():
    world = World()
    who = replace(WHO, amr=("mfa", "otp", "pwd"))
    tokens = await world.sign_on(authentication=who, scopes=("openid", "agent"))
    exchanged = await world.exchange(tokens.access_token, await world.actor_token())
    for token in (tokens.access_token, tokens.id_token, exchanged.access_token):
        assert claims_of(token)["amr"] == ["mfa", "otp", "pwd"]
    unknown = await world.sign_on("another-code")
    assert "amr" not in claims_of(unknown.access_token)


def claims_of(token):
    return loads(decode_base64url(token.split(".")[1]))
