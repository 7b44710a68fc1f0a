import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deputize.authority.endpoint import json_response
from support.authority import PageForm


@pytest.fixture
async def http(authority):
    async with authority.client() as client:
        yield client


@pytest.mark.parametrize("host", ["a;b&c=d:1", "a%2fb", "evil.example"])
async def test_the_host_header_changes_neither_path_nor_parameters(authority, http, host):
    response = await http.get(authority.authorize_url(), headers={"Host": host})
    assert response.status_code == 303
    page = await http.get(response.headers["location"], headers={"Host": host})
    assert page.status_code == 200
    form = {**PageForm(page.text).fields, "step": "ANOTHER"}
    again = await http.post(response.headers["location"], data=form, headers={"Host": host})
    assert again.headers["location"] == response.headers["location"]
    posted = await http.post(
        f"{authority.path}/as/authorize", data={"client_id": "x"}, headers={"Host": host}
    )
    assert posted.headers["location"] == f"{authority.path}/as/authorize?client_id=x"


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("Content-Type", "text/plain")],
        [("Content-Type", FORM), ("Content-Type", FORM)],
        [("Content-Type", FORM), ("Content-Type", "text/plain")],
        [("Content-Type", FORM), ("Content-Encoding", "gzip")],
        [("Content-Type", FORM), ("Content-Encoding", "identity")],
    ],
)
async def test_a_body_that_can_be_read_in_two_ways_is_no_form(authority, http, fields):
    response = await http.post(f"{authority.path}/as/token", content=b"grant_type=password", headers=fields)
    assert response.status_code == 400
    assert FORM in response.json()["error_description"]


@pytest.mark.parametrize("kind", [FORM, f"{FORM};charset=UTF-8", f"{FORM.upper()} ; charset=utf-8"])
async def test_a_form_s_type_may_be_written_in_other_ways(authority, http, kind):
    response = await http.post(
        f"{authority.path}/as/token", content=b"grant_type=password", headers={"Content-Type": kind}
    )
    assert response.json()["error"] == "invalid_client"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_a_document_is_sent_as_it_is(document):
    response = json_response(document)
    assert json.loads(response.body.buffered) == json.loads(json.dumps(document))
    assert response.headers.get("content-type") == "application/json"
    assert response.headers.get("cache-control") == "no-store"


def test_a_document_is_short_and_in_utf_8():
    assert json_response({"a": ["é", 1]}).body.buffered == '{"a":["é",1]}'.encode()
