import pytest

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


@pytest.mark.parametrize("host", ["a/b?client_id=evil&x=", "a/../c#", "[::1", "a/evil?"])
async def test_a_malformed_host_header_is_refused(authority, http, host):
    assert (await http.get(authority.authorize_url(), headers={"Host": host})).status_code == 400
