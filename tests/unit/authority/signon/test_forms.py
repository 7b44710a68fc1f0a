import hashlib
import hmac
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from deputize.authority.endpoint import EndpointCall
from deputize.authority.signon.browser import csrf_token, is_own_form
from deputize.http.messages import Body
from support.authority import NOW, head_of, running_authority
from support.examples import examples


def call(authority, **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return EndpointCall(
        head_of("POST", raw), Body(), authority.services, authority.directory.environment, NOW, "id"
    )


async def test_the_pages_own_form_is_accepted(authority):
    form = {"csrf": await csrf_token(call(authority), "cookie", "flow")}
    assert await is_own_form(call(authority), form, "cookie", "flow")
    assert await is_own_form(call(authority, sec_fetch_site="same-origin"), form, "cookie", "flow")


async def test_a_form_that_the_browser_says_comes_from_elsewhere_is_not(authority):
    form = {"csrf": await csrf_token(call(authority), "cookie", "flow")}
    for site in ("cross-site", "same-site"):
        assert not await is_own_form(call(authority, sec_fetch_site=site), form, "cookie", "flow")


async def test_a_form_without_token_is_not(authority):
    assert not await is_own_form(call(authority), {}, "cookie", "flow")


@settings(max_examples=examples(30), deadline=None)
@given(st.text(), st.text(), st.text(), st.text(), st.text())
async def test_a_token_works_for_one_browser_and_one_purpose_and_nobody_else_can_make_it(
    cookie, purpose, other_cookie, other_purpose, sent
):
    with tempfile.TemporaryDirectory() as folder:
        async with running_authority(Path(folder) / "data") as authority:
            form = {"csrf": await csrf_token(call(authority), cookie, purpose)}
            accepted = await is_own_form(call(authority), form, other_cookie, other_purpose)
            assert accepted == (cookie != "" and (cookie, purpose) == (other_cookie, other_purpose))
            assert not await is_own_form(call(authority), {"csrf": sent}, cookie, purpose)


async def test_who_has_the_cookie_cannot_compute_the_token(authority):
    computed = hmac.new(b"cookie", b"csrf flow", hashlib.sha256).hexdigest()
    assert not await is_own_form(call(authority), {"csrf": computed}, "cookie", "flow")


async def test_another_environment_makes_other_tokens(tmp_path, authority):
    async with running_authority(tmp_path / "other") as other:
        form = {"csrf": await csrf_token(call(other), "cookie", "flow")}
    assert not await is_own_form(call(authority), form, "cookie", "flow")


async def test_a_browser_without_cookie_has_no_token_that_counts(authority):
    form = {"csrf": await csrf_token(call(authority), "", "session")}
    assert not await is_own_form(call(authority), form, "", "session")
