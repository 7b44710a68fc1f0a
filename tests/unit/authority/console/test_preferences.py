"""Settings → Preferences: language and time zone of whoever reads, in one browser."""

import pytest


@pytest.mark.parametrize("role", ["administrator", "auditor"])
async def test_pages_follow_what_was_chosen_until_it_is_left_empty(console, role):
    async with console.signed_on(role) as browser:
        await browser.get(f"{console.path}/preferences")
        shown = await browser.submit(language="de", zone="Asia/Kolkata")
        assert (browser.heading, 'value="Asia/Kolkata"' in shown.text) == ("Vorlieben", True)
        await browser.submit(language="", zone="")
        assert browser.heading == "Preferences"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"language": "x;y"}, "language"),
    ],
)
async def test_what_there_is_not_is_refused_at_its_field(console, typed, field):
    async with console.signed_on() as browser:
        await browser.get(f"{console.path}/preferences")
        refused = await browser.submit(**{"language": "", "zone": "", **typed})
        assert (refused.status_code, f'id="f-{field}-problem"' in refused.text) == (422, True)
        assert not any("zone" in name or "language" in name for name in browser.client.cookies)
