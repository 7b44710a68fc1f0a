"""Each extra in a new virtual environment holds all that its program needs, and nothing of the other's."""

import os
import subprocess
import sys

import pytest
from demo import programs
from demo.stage import EXAMPLE, ROOT, prepare

pytestmark = pytest.mark.slow
SECONDS = 1800
"""A busy machine with a slow line takes that long for twenty packages."""


def run(*command, **environment):
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture
def installed(tmp_path):
    """A function that installs an extra from this checkout and returns the folder of its programs."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=SECONDS)
    programs_folder = tmp_path / "venv" / "bin"
    pip = (
        programs_folder / "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "-c",
        "constraints.txt",
    )
    if run(*pip, "hatchling").returncode != 0:
        pytest.skip("no packages can be installed here")

    def install(extra):
        done = run(*pip, "--only-binary", ":all:", "--no-build-isolation", f".[{extra}]")
        assert done.returncode == 0, done.stdout + done.stderr
        return programs_folder

    return install


def test_a_gateway_alone(installed, tmp_path):
    deputize = installed("gateway") / "deputize"
    stage = prepare(tmp_path / "stage")
    given = programs.gateway_environment(stage, f"{stage.authority_url}/environment/as", "resource", "secret")
    checked = run(deputize, "gateway", "check", "--instance", str(stage.instance), **given)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    other = run(deputize, "apply", "--help")
    assert (other.returncode, "pip install 'deputize[authority]'" in other.stderr) == (1, True)


def test_an_authority_alone(installed, tmp_path):
    deputize = installed("authority") / "deputize"
    settings = ("--set", "GATEWAY_URL=https://localhost:8443", "--set", "DEMO_PASSWORD=correct horse battery")
    file, data = str(EXAMPLE / "environment.yaml"), str(tmp_path / "data")
    applied = run(deputize, "apply", file, "--data", data, *settings)
    assert (applied.returncode, "issuer http" in applied.stdout) == (0, True), applied.stderr
