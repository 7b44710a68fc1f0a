"""The command line loads a command when it is needed, and says which packages to install when they are
not there.
"""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from deputize.cli import COMMANDS, main


def run(*commands, missing=()):
    """The greatest exit code of some commands in one process where some packages are not installed, with
    what they print and our modules that are loaded at the end.
    """
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
        "from deputize.cli import main\n"
        "codes = []\n"
        f"for command in {commands!r}:\n"
        " try: main(command)\n"
        " except SystemExit as ended: codes.append(ended.code)\n"
        "import json; own = sorted(name for name in sys.modules if name.startswith('deputize.'))\n"
        "print(json.dumps(own)); sys.exit(max(codes))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    *_, loaded = done.stdout.splitlines()
    return done.returncode, done.stdout + done.stderr, json.loads(loaded)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_list_says_what_the_command_says_of_itself(command):
    loaded = command.load()
    assert loaded.name == command.name
    assert loaded.help.split("\n\n")[0] == command.help


@pytest.mark.parametrize("arguments", [("--version",), ("--help",)])
def test_no_command_is_loaded_for_the_list_or_the_version(arguments):
    code, output, loaded = run(arguments)
    assert (code, loaded) == (0, ["deputize.cli"]), output


def test_the_list_names_every_command():
    listed = CliRunner().invoke(main, ["--help"]).output
    assert [line.split()[0] for line in listed.partition("Commands:\n")[2].splitlines()] == sorted(
        command.name for command in COMMANDS
    )


def test_lists_of_commands_are_not_cut():
    groups = [(), *((each.name,) for each in COMMANDS if isinstance(each.load(), click.Group))]
    lists = {
        group: CliRunner()
        .invoke(main, [*group, "--help"], terminal_width=80)
        .output.partition("Commands:\n")[2]
        for group in groups
    }
    assert len(lists) > 1
    assert {group: each for group, each in lists.items() if not each or "..." in each} == {}


def test_folders_are_called_folders():
    helps = [
        CliRunner().invoke(main, words).output
        for words in (["apply", "--help"], ["gateway", "check", "--help"])
    ]
    assert all("FOLDER" in each and "DIRECTORY" not in each for each in helps)


def test_a_command_that_nobody_knows():
    result = CliRunner().invoke(main, ["authorty"])
    assert (result.exit_code, "Did you mean 'authority'?" in result.output) == (2, True)


AUTHORITY_ONLY = ("sqlalchemy", "alembic", "argon2", "jinja2", "nh3", "yaml")


def test_without_the_authoritys_packages_one_line_says_what_to_install():
    commands = [command.name for command in COMMANDS if command.name not in {"doctor", "gateway"}]
    code, output, _ = run(*((command, "--help") for command in commands), missing=AUTHORITY_ONLY)
    errors = [line for line in output.splitlines() if not line.startswith("[")]
    assert (code, len(errors)) == (1, len(commands))
    for command, error in zip(commands, errors, strict=True):
        assert error.startswith(f"Error: {command} needs the package ")
        assert error.endswith("which is not installed; try: pip install 'deputize[authority]'")


def test_the_doctor_needs_neither_program():
    code, output, loaded = run(("doctor", "--help"), missing=AUTHORITY_ONLY)
    assert code == 0, output
    assert not [name for name in loaded if name.startswith(("deputize.authority", "deputize.gateway"))]


def test_the_gateway_works_without_the_authoritys_packages():
    code, output, loaded = run(("gateway", "serve", "--help"), missing=AUTHORITY_ONLY)
    assert code == 0, output
    assert "deputize.gateway.app" in loaded


def test_without_the_gateways_packages_one_line_says_what_to_install():
    code, output, _ = run(("gateway", "--help"), missing=("httptools",))
    assert code == 1
    assert "try: pip install 'deputize[gateway]'" in output


def test_a_fault_of_our_own_is_not_taken_for_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "deputize.cli.gateway", None)
    (gateway,) = [command for command in COMMANDS if command.name == "gateway"]
    with pytest.raises(ModuleNotFoundError):
        gateway.load()
