import pytest

from deputize.mcp.spellings import fold_name, fold_uri


@pytest.mark.parametrize(
    "name", ["Transfer", " transfer\n", "\uff54ransfer", "tran\u017ffer", "trans\u200bfer"]
)
def test_spellings_of_a_name_are_folded_into_one(name):
    assert fold_name(name) == "transfer"


@pytest.mark.parametrize("name", ["transfers", "trans-fer", "trans fer", "transfer\u0301"])
def test_other_names_stay_others(name):
    assert fold_name(name) != "transfer"


@pytest.mark.parametrize(
    "uri",
    [
        "HTTP://Host/a",
        "http://host//a",
        "http://host:80/a",
        "http://host:/a",
        "http:\\\\host\\a",
        "http:host/a",
        "http://host/%61",
        "http://host/%2561",
        "http://@host/a",
        " http://host/a ",
        "http://\uff48ost/\uff41",
    ],
)
def test_spellings_of_a_uri_are_folded_into_one(uri):
    assert fold_uri(uri) == "http:/host/a"


@pytest.mark.parametrize(
    "uri",
    [
        "f://a/../b",
        "f://a/.",
        "f://a/%2e%2E/b",
        "f://a/\uff0e\uff0e/b",
        "f://a\\..\\b",
        "f://a/..;x/b",
        "file:../b",
        "f://a/%00",
        "f://a/\nb",
        "f://a\u0085b",
        "http://user@host/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://1/",
        "http://[0:0::1]/",
        "http://[nonsense]/",
        "f://%25252525252561",
    ],
)
def test_uris_that_readers_differ_about_have_no_spelling(uri):
    assert fold_uri(uri) is None


def test_a_part_of_a_uri_keeps_its_blanks_and_gets_no_path():
    assert fold_uri(" A/%20", is_whole=False) == " a/ "
    assert fold_uri("http://host", is_whole=False) == "http:/host"
    assert fold_uri("http://host") == "http:/host/"
