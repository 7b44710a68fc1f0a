"""What an environment file may say about identity providers, and where it is wrong."""

import pytest

from deputize.authority.environment_file.problems import EnvironmentFileInvalid

RIGHT = "{ name: partner, title: Partner, issuer: 'https://op.example', client_id: us }"
BY_EMAIL = RIGHT.replace("client_id", "subject: email, client_id")
GONE = "there is no identity provider 'partner'"
POLICY = "policies: [{ name: P, steps: [{ external: { provider: partner } }] }]\n"


def file(*providers, rest=""):
    return f"environment: Test\nidentity_providers: [{', '.join(providers)}]\n{rest}"


@pytest.mark.parametrize(
    ("text", "pointer", "reason"),
    [
        (file(RIGHT.replace("https:", "http:")), "/identity_providers/0/issuer", "the URL is not https"),
        (file(RIGHT.replace("op.example", "OP.example")), "/identity_providers/0/issuer", "lower case"),
        (file(RIGHT, RIGHT.replace("op.", "other.")), "/identity_providers/1/name", "stands here twice"),
        (file(RIGHT, RIGHT.replace("partner", "b")), "/identity_providers/1/issuer", "stands here twice"),
        (
            file(RIGHT.replace("client_id", "subject: email, client_id")),
            "/identity_providers/0/subject",
            "email",
        ),
        (file(RIGHT.replace("us }", "us, secret: ../x }")), "/identity_providers/0/secret", ""),
        (file(RIGHT.replace("us }", "us, algorithms: [none] }")), "/identity_providers/0/algorithms/0", ""),
        (file(RIGHT.replace("us }", "us, algorithms: [HS256] }")), "/identity_providers/0/algorithms/0", ""),
        (file(RIGHT.replace("name: partner", "name: a/b")), "/identity_providers/0/name", ""),
        (
            file(rest=POLICY),
            "/policies/0/steps/0/external/provider",
            "there is no identity provider 'partner'",
        ),
        (
            file(rest="policies: [{ name: P, steps: [{ login: { or_providers: [x] } }] }]\n"),
            "/policies/0/steps/0/login/or_providers",
            "there is no identity provider 'x'",
        ),
    ],
)
async def test_a_mistake_is_told_where_it_is(applying, text, pointer, reason):
    with pytest.raises(EnvironmentFileInvalid) as caught:
        await applying(text)
    (problem,) = caught.value.errors
    assert problem.position.pointer == pointer
    assert reason in problem.reason


async def test_a_provider_that_a_policy_names_cannot_be_taken_away(applying):
    await applying(file(RIGHT, rest=POLICY))
    with pytest.raises(EnvironmentFileInvalid, match="the policy 'P' still names partner"):
        await applying("environment: Test\nidentity_providers: []\n")
    assert (await applying("environment: Test\n")).lines == (), "left out, they stay"


async def test_an_environment_is_no_provider_of_its_own(applying):
    applied = await applying("environment: Test\n")
    issuer = f"http://localhost:9080/{applied.environment.id}/as"
    with pytest.raises(EnvironmentFileInvalid, match="this is the environment itself"):
        await applying(file(RIGHT.replace("https://op.example", issuer)))


@pytest.mark.parametrize("step", ["external: { provider: partner }", "passkey: {}", "login: {}"])
async def test_a_policy_begins_with_whatever_tells_who_the_user_is(applying, step):
    text = f"policies: [{{ name: P, steps: [{{ {step} }}, {{ totp: {{}} }}] }}]\n"
    await applying(file(RIGHT, rest=text))
    with pytest.raises(EnvironmentFileInvalid, match="the first step has to tell who the user is"):
        await applying(file(RIGHT, rest=text.replace(f"{{ {step} }}, ", "")))
