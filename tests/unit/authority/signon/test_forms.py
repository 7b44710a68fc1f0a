from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from deputize.authority.signon.forms import csrf_token, is_own_form


def submission(**headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw})


def test_the_pages_own_form_is_accepted():
    form = {"csrf": csrf_token("cookie", "flow")}
    assert is_own_form(submission(), form, "cookie", "flow")
    assert is_own_form(submission(sec_fetch_site="same-origin"), form, "cookie", "flow")


def test_a_form_that_the_browser_says_comes_from_elsewhere_is_not():
    form = {"csrf": csrf_token("cookie", "flow")}
    for site in ("cross-site", "same-site"):
        assert not is_own_form(submission(sec_fetch_site=site), form, "cookie", "flow")


def test_a_form_without_token_is_not():
    assert not is_own_form(submission(), {}, "cookie", "flow")


@given(st.text(), st.text(), st.text(), st.text())
def test_a_token_works_for_one_browser_and_one_purpose(cookie, purpose, other_cookie, other_purpose):
    form = {"csrf": csrf_token(cookie, purpose)}
    accepted = is_own_form(submission(), form, other_cookie, other_purpose)
    assert accepted == (cookie != "" and (cookie, purpose) == (other_cookie, other_purpose))


def test_a_token_anybody_can_compute_for_a_browser_without_cookie_is_not():
    assert not is_own_form(submission(), {"csrf": csrf_token("", "session")}, "", "session")


@given(st.text())
def test_whatever_is_sent_instead_is_refused(sent):
    assert not is_own_form(submission(), {"csrf": sent}, "cookie", "flow")
