"""What a client opens reaches the user, however it opens it, and without waiting for the user."""

import subprocess
import threading
import webbrowser

import httpx2
import pytest
from interop.browser import NAMES, Browser


class Someone:
    """A user whose visits are told by an event."""

    def __init__(self, back):
        self.back, self.pages, self.visited = back, ["Sign on"], []
        self.came = threading.Event()

    def visit(self, url, stop_at):
        self.visited.append((url, stop_at))
        self.came.set()
        if isinstance(self.back, Exception):
            raise self.back
        return self.back


@pytest.fixture
def fetched(monkeypatch):
    urls = []
    monkeypatch.setattr(httpx2, "get", lambda url, **_: urls.append(url))
    return urls


URL = "http://localhost:1/as/authorize?client_id=c&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fback"


@pytest.mark.parametrize("name", NAMES)
def test_every_usual_command_hands_the_address_over_at_once(tmp_path, fetched, name):
    someone = Someone("http://localhost:9/back?code=x")
    with Browser(tmp_path, lambda: someone) as browser:
        environment = browser.environment()
        subprocess.run([name, URL], env=environment, check=True, timeout=10)
        assert someone.came.wait(10)
    (visit,) = browser.visits
    assert (visit.client_id, visit.answer, visit.failure) == ("c", {"code": "x"}, "")
    assert someone.visited == [(URL, "http://localhost:9/back")]
    assert fetched == [someone.back]


def test_python_finds_it_by_the_variable(tmp_path, fetched):
    someone = Someone("http://localhost:9/back?code=x")
    with Browser(tmp_path, lambda: someone) as browser:
        webbrowser.GenericBrowser(browser.environment()["BROWSER"]).open(URL)
        assert someone.came.wait(10)
    assert len(browser.visits) == 1


def test_a_sign_on_that_fails_is_remembered_with_the_reason(tmp_path, fetched):
    someone = Someone(RuntimeError("the pages did not lead back"))
    with Browser(tmp_path, lambda: someone) as browser:
        browser.open(URL)
    assert browser.visits[0].failure == "RuntimeError: the pages did not lead back"
    assert fetched == []
