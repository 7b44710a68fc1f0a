"""What is installed for the rows is installed once, and what cannot be is said at once to each of them."""

from pathlib import Path

import pytest
from interop import install
from interop.install import NotRun, once


@pytest.mark.parametrize("outcome", [Path("/there"), NotRun("no network")])
def test_an_installation_is_tried_once_for_each_name(outcome):
    tried = []

    @once
    def attempt(name):
        tried.append(name)
        if isinstance(outcome, NotRun):
            raise outcome
        return outcome

    for name in ("a", "a", "b"):
        if isinstance(outcome, NotRun):
            with pytest.raises(NotRun, match="no network"):
                attempt(name)
        else:
            assert attempt(name) is outcome
    assert tried == ["a", "b"]


@pytest.mark.parametrize(
    ("program", "attempt", "name"),
    [("npm", install.npm, "a"), ("mvn", install.maven, "org.example:a:1:zip")],
)
def test_without_the_program_for_it_rows_are_not_run(monkeypatch, program, attempt, name):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotRun, match="is not installed"):
        attempt.__wrapped__("tools" if program == "npm" else name)


def test_a_program_that_fails_says_why_in_its_last_line(tmp_path):
    with pytest.raises(NotRun, match="sh does not install it: no such version"):
        install._install(["sh", "-c", "echo looking; echo no such version >&2; exit 1"], tmp_path)


def test_what_is_installed_is_installed_anew_when_another_version_is_wanted(tmp_path):
    assert not install._holds(tmp_path, "1")
    install._mark(tmp_path, "1")
    assert install._holds(tmp_path, "1")
    assert not install._holds(tmp_path, "2")
