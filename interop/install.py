"""Installs the programs of others, at pinned versions, into folders that git knows nothing of."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import wraps
from pathlib import Path

INSTALL_SECONDS = 900
# In the environment that the programs run in, so that they go with it.
_HOME = Path(sys.prefix) / "interop"
_HERE = Path(__file__).resolve().parent
_NPM = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent")
_MAVEN = ("mvn", "-q", "-B", "dependency:copy")
_JARS = ("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=.")
_PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>interop</groupId><artifactId>interop</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>
  </dependency></dependencies>
</project>
"""
_PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--only-binary", ":all:")


class NotRun(Exception):
    """A row cannot be tried here; the message says why."""


def once(install: Callable[[str], Path]) -> Callable[[str], Path]:
    """Install each thing at most once in a run, also where that fails: rows must not wait for it again."""
    outcomes: dict[str, Path | NotRun] = {}

    @wraps(install)
    def remembered(name: str) -> Path:
        if name not in outcomes:
            try:
                outcomes[name] = install(name)
            except NotRun as reason:
                outcomes[name] = reason
        outcome = outcomes[name]
        if isinstance(outcome, NotRun):
            raise NotRun(str(outcome))
        return outcome

    return remembered


@once
def npm(group: str) -> Path:
    """Return the folder with the npm packages of `npm/GROUP/package.json`, after installing them if need be.

    Raises `NotRun` where they cannot be installed.
    """
    wanted = (_HERE / "npm" / group / "package.json").read_text("utf-8")
    folder = _HOME / group
    if shutil.which("npm") is None:
        raise NotRun("npm is not installed")
    if not _holds(folder, wanted):
        _fresh(folder)
        (folder / "package.json").write_text(wanted, "utf-8")
        _install([*_NPM], folder)
        _mark(folder, wanted)
    return folder


@once
def python(group: str) -> Path:
    """Return the Python of an environment with the packages of `python/GROUP.txt`, made if need be.

    Raises `NotRun` where they cannot be installed.
    """
    pins = _HERE / "python" / f"{group}.txt"
    folder, wanted = _HOME / f"python-{group}", pins.read_text("utf-8")
    program = folder / "bin" / "python"
    if not _holds(folder, wanted):
        _fresh(folder)
        venv.create(folder, with_pip=True)
        _install([str(program), *_PIP, "--requirement", str(pins)], folder)
        _mark(folder, wanted)
    return program


@once
def maven(artifact: str) -> Path:
    """Return the folder with the unpacked zip `group:name:version:zip`, after getting it if need be.

    Raises `NotRun` where Maven does not get it.
    """
    name = artifact.split(":")[1]
    folder = _HOME / name
    if shutil.which("mvn") is None:
        raise NotRun("Maven is not installed")
    if not _holds(folder, artifact):
        _fresh(folder)
        _install([*_MAVEN, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"], folder)
        _install(["unzip", "-q", str(next(folder.glob("*.zip")))], folder)
        _mark(folder, artifact)
    return next(each for each in folder.iterdir() if each.is_dir())


@once
def jars(artifact: str) -> Path:
    """Return the folder with the jar `group:name:version` and all it needs, after getting them if need be.

    Raises `NotRun` where there is no Java, or Maven does not get them.
    """
    folder = _HOME / artifact.split(":")[1]
    if shutil.which("mvn") is None or shutil.which("java") is None:
        raise NotRun("Maven or Java is not installed")
    if not _holds(folder, artifact):
        _fresh(folder)
        (folder / "pom.xml").write_text(_PROJECT.format(*artifact.split(":")), "utf-8")
        _install([*_JARS], folder)
        _mark(folder, artifact)
    return folder


def script(group: str, name: str) -> Path:
    """Return a copy of `programs/NAME` beside the npm packages of a group, where it finds what it imports.

    Raises `NotRun` where the packages cannot be installed.
    """
    return Path(shutil.copy(_HERE / "programs" / name, npm(group)))


def npm_versions(group: str, *packages: str) -> dict[str, str]:
    """Return the pinned versions of npm packages."""
    pinned = json.loads((_HERE / "npm" / group / "package.json").read_text("utf-8"))["dependencies"]
    return {package: pinned[package] for package in packages}


def python_versions(group: str, *packages: str) -> dict[str, str]:
    """Return the pinned versions of Python packages."""
    lines = (_HERE / "python" / f"{group}.txt").read_text("utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    return {package: pinned[package] for package in packages}


def _holds(folder: Path, wanted: str) -> bool:
    mark = folder / "installed-from.txt"
    return mark.exists() and mark.read_text("utf-8") == wanted


def _mark(folder: Path, wanted: str) -> None:
    (folder / "installed-from.txt").write_text(wanted, "utf-8")


def _fresh(folder: Path) -> None:
    print(f"Installing {folder.name} (once) ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _install(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NotRun(f"{command[0]} did not finish within {INSTALL_SECONDS} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it gave no reason"]
        raise NotRun(f"{Path(command[0]).name} does not install it: {said[-1]}")
