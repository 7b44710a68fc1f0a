"""What an environment file may say of how pages look."""

import pytest

from deputize.authority.environment_file.problems import EnvironmentFileInvalid


@pytest.mark.parametrize(
    ("branding", "pointer", "reason"),
    [
        ("colour: '#9fe3d6'", "/branding/colour", "has a contrast of 1.46:1 to #ffffff"),
        ("dark_colour: '#0f6b66'", "/branding/dark_colour", "on dark pages has a contrast of"),
        ("colour: red", "/branding/colour", ""),
        ("colour: '#fff'", "/branding/colour", ""),
        ("logo: 'data:image/png;base64,AAAA'", "/branding/logo", "its content is no image/png"),
        ("logo: 'data:image/svg+xml;base64,AAAA'", "/branding/logo", ""),
        ("logo: 'https://evil.example/x.png'", "/branding/logo", ""),
        (f"logo: 'data:image/png;base64,{'A' * 33_000}'", "/branding/logo", ""),
        ("name: ''", "/branding/name", ""),
        ("style: 'body {}'", "/branding/style", ""),
    ],
)
async def test_what_nobody_could_read_is_refused_where_it_stands(applying, branding, pointer, reason):
    with pytest.raises(EnvironmentFileInvalid) as caught:
        await applying(f"environment: Test\nbranding: {{ {branding} }}\n")
    (problem,) = caught.value.errors
    assert problem.position.pointer == pointer
    assert reason in problem.reason


async def test_what_can_be_read_is_taken_and_stays(applying):
    text = "environment: Test\nbranding: { name: Contoso, colour: '#A4001D', dark_colour: '#ff9aa8' }\n"
    assert len((await applying(text)).lines) > 0
    assert (await applying(text)).lines == ()
    assert (await applying("environment: Test\n")).lines == ()
