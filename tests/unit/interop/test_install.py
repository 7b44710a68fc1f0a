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
    [
        ("npm", install.npm, "tools"),
        ("Maven", install.maven, "org.example:a:1:zip"),
        ("Maven or Java", install.jars, "org.example:a:1"),
    ],
)
def test_without_the_program_for_it_rows_are_not_run(monkeypatch, program, attempt, name):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotRun, match=rf"^{program} is not installed"):
        attempt.__wrapped__(name)


@pytest.mark.parametrize("there", ["mvn", "java"])
def test_jars_need_maven_and_java(monkeypatch, tmp_path, there):
    program = tmp_path / there
    program.write_text("", "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotRun, match=r"^Maven or Java is not installed"):
        install.jars.__wrapped__("org.example:a:1")


def test_jars_are_got_with_all_they_need_by_a_project_that_names_the_pinned_one(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(install, "_HOME", tmp_path)
    monkeypatch.setattr(install.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(install, "_install", lambda command, folder: ran.append((command, folder)))
    for version in ("1", "1", "2"):
        folder = install.jars.__wrapped__(f"org.example:a:{version}")
        wanted = f"<groupId>org.example</groupId><artifactId>a</artifactId><version>{version}</version>"
        assert wanted in (folder / "pom.xml").read_text("utf-8")
    assert [(command[0], where) for command, where in ran] == [("mvn", tmp_path / "a")] * 2


def test_a_program_that_fails_says_why_in_its_last_line(tmp_path):
    with pytest.raises(NotRun, match="sh does not install it: no such version"):
        install._install(["sh", "-c", "echo looking; echo no such version >&2; exit 1"], tmp_path)


def test_what_is_installed_is_installed_anew_when_another_version_is_wanted(tmp_path):
    assert not install._holds(tmp_path, "1")
    install._mark(tmp_path, "1")
    assert install._holds(tmp_path, "1")
    assert not install._holds(tmp_path, "2")
