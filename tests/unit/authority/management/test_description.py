"""The API's description, and the page made of it."""

import json
import re
from html.parser import HTMLParser

from deputize.authority.management.app import document
from deputize.authority.management.docs_page import render_docs


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_what_it_refers_to_is_in_it():
    whole = document()
    assert whole["openapi"].startswith("3.1")
    known = {f"#/components/schemas/{name}" for name in whole["components"]["schemas"]}
    named = set(references(whole))
    assert named <= known
    assert known - named == set(), "nothing is described that nothing takes or answers"
    schemes = {
        name
        for path in whole["paths"].values()
        for each in path.values()
        for way in each["security"]
        for name in way
    }
    assert schemes == set(whole["components"]["securitySchemes"])


def test_each_member_of_an_entry_says_what_it_means():
    schemas = document()["components"]["schemas"]
    for name, schema in schemas.items():
        if name == "PolicyStep" or "properties" not in schema or not schema.get("description"):
            continue
        for member, each in schema["properties"].items():
            described = each.get("description") or name.endswith(("View", "Page", "Changed"))
            assert described, (name, member)


class Assets(HTMLParser):
    def __init__(self):
        super().__init__()
        self.loaded, self.ids, self.links, self.tags = [], set(), set(), set()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        if tag in {"link", "img", "script", "iframe"}:
            self.loaded.append(values.get("src") or values.get("href"))
        elif tag == "a" and values.get("href", "").startswith("#"):
            self.links.add(values["href"][1:])
        assert not {"style", "onclick", "onload"} & values.keys()
        self.ids.add(values.get("id"))


async def test_its_page_loads_nothing_of_another_host_and_runs_nothing(api):
    response = await api.ask("GET", "/v1/docs", role=None)
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    page = Assets()
    page.feed(response.text)
    assert page.loaded == ["/v1/docs/style.css"]
    assert not page.tags & {"script", "style"}
    assert page.links <= page.ids
    style = await api.ask("GET", page.loaded[0], role=None)
    assert style.headers["content-type"].startswith("text/css")
    assert not re.search(r"url\(|@import", style.text)
    for path in document()["paths"].values():
        for operation in path.values():
            assert operation["operationId"] in page.ids
    served = await api.ask("GET", "/v1/openapi.json", role=None)
    assert served.json() == json.loads(json.dumps(document()))


def test_no_text_of_a_description_is_markup():
    hostile = json.loads(
        json.dumps(document()).replace("The environments", "<script>x</script> The environments")
    )
    assert "<script" not in render_docs(hostile)
