import pytest
from click.testing import CliRunner

from deputize.cli import authority
from deputize.kernel.errors import ConfigurationError, Position


@pytest.fixture
def served(monkeypatch):
    calls = []

    async def remember(database_url, listener, audit, announce):
        calls.append((database_url, listener, audit))

    monkeypatch.setattr(authority, "serve", remember)
    return calls


def run(*arguments):
    return CliRunner().invoke(authority.authority, ["serve", *arguments])


def test_on_this_machine_the_base_url_follows_from_the_port(served, tmp_path):
    assert run("--data", str(tmp_path), "--port", "9999").exit_code == 0
    ((database_url, listener, audit),) = served
    assert database_url == f"sqlite:///{tmp_path}/deputize.db"
    assert listener.base_url == "http://localhost:9999"
    assert audit == tmp_path / "audit"


def test_what_keeps_it_from_starting_is_said_in_one_line(monkeypatch, tmp_path):
    async def refuse(*_arguments):
        position = Position("the entry point 'x' of y")
        raise ConfigurationError(position, "a:b cannot be imported", "repair or remove y")

    monkeypatch.setattr(authority, "serve", refuse)
    result = run("--data", str(tmp_path))
    assert result.exit_code == 1
    assert result.output == ("Error: the entry point 'x' of y: a:b cannot be imported (repair or remove y)\n")


def test_elsewhere_it_has_to_be_said(served):
    result = run("--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "--base-url is needed" in result.output
    assert served == []


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example.com",
        "https://auth.example.com/",
        "https://auth.example.com:8443",
        "http://localhost:9080",
    ],
)
def test_it_is_an_origin(served, url):
    assert run("--base-url", url).exit_code == 0
    assert served[0][1].base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "auth.example.com",
        "ftp://auth.example.com",
        "http://auth.example.com",
        "https://auth.example.com/path",
        "https://user@auth.example.com",
        "https://AUTH.example.com",
        "https://auth.example.com?x",
        "",
    ],
)
def test_anything_else_is_refused_with_what_to_write(served, url):
    result = run("--base-url", url)
    assert result.exit_code == 2
    assert served == []
