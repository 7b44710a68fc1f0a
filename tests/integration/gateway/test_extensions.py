"""The package of docs/howto/extend-the-gateway.md, installed beside Deputize, does what the page says."""

import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "howto" / "extend-the-gateway.md"
CALL = """\
import asyncio, logging, os, sys
from pathlib import Path
from deputize.gateway.app import Gateway
from deputize.http.exchange import Ending
from support.gateway import exchange_for

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(name)s %(message)s")

async def main():
    gateway = await Gateway.load(Path(sys.argv[1]), dict(os.environ))
    assert gateway.problems()[0] == ()
    exchange = exchange_for("/")
    response = await gateway.instance.entry.handle(exchange)
    for ending in exchange.endings:
        ending(Ending(response, 6, True, 1.0))
    print("answer", response.body.buffered.decode())
    await gateway.stop()

asyncio.run(main())
"""


def blocks(language):
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^ *```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [textwrap.dedent(block) for _, block in found]


@pytest.fixture
def site(tmp_path):
    """A folder with the installed package, and an instance folder with its route."""
    (project,), (module,), (route,) = blocks("toml"), blocks("python"), blocks("json")
    declared = tomllib.loads(project)["project"]
    packages, instance = tmp_path / "packages", tmp_path / "instance"
    info = packages / f"acme_deputize-{declared['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {declared['name']}\nVersion: {declared['version']}\n")
    lines = [
        line
        for group, entries in declared["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (packages / "acme_deputize.py").write_text(module)
    (instance / "config" / "routes").mkdir(parents=True)
    (instance / "config" / "routes" / "acme.json").write_text(route)
    return packages, instance


def run(packages, *arguments):
    paths = os.pathsep.join((str(packages), str(PAGE.parents[2] / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "UPSTREAM_KEY": b"s3cret".hex()}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_one_of_each_works_from_a_package_of_its_own(site):
    packages, instance = site
    done = run(packages, "-c", CALL, str(instance))
    assert done.returncode == 0, done.stderr
    assert "answer s3cret" in done.stdout
    assert 'acme.audit.access {"_id":"transaction-1' in done.stdout


def test_a_package_that_is_wrong_is_named_and_nothing_starts(site):
    packages, instance = site
    module = packages / "acme_deputize.py"
    module.write_text(module.read_text().replace("class ApiKeyFilter", "class HeaderFilter"))
    (entry_points,) = packages.glob("*/entry_points.txt")
    entry_points.write_text(entry_points.read_text().replace(":ApiKeyFilter", ":HeaderFilter"))
    done = run(
        packages,
        "-c",
        "from deputize.cli import main; main()",
        "gateway",
        "check",
        "--instance",
        str(instance),
    )
    assert done.returncode != 0
    assert "acme-deputize" in done.stdout + done.stderr
    assert "Deputize itself provides 'HeaderFilter' already" in done.stdout + done.stderr
