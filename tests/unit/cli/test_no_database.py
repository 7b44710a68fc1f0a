"""A mistyped `--data` is told of and leaves nothing behind."""

import contextlib
import sqlite3

import click
import pytest
from click.testing import CliRunner

from deputize.cli import COMMANDS, main
from deputize.cli.options import DatabaseUrl

CREATING = {("apply",), ("authority", "serve")}


def commands_on_data(command, path=()):
    """Every command with `--data`, as the words that call it, its arguments among them."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands_on_data(each, (*path, name))
    elif any(isinstance(each.type, DatabaseUrl) for each in command.params) and path not in CREATING:
        words = list(path)
        for each in command.params:
            if each.required or isinstance(each, click.Argument):
                value = each.type.choices[0] if isinstance(each.type, click.Choice) else "Some"
                value = __file__ if isinstance(each.type, click.Path) and each.type.exists else value
                words += [value] if isinstance(each, click.Argument) else [each.opts[0], value]
        yield words


COMMANDS_ON_DATA = [
    words
    for each in COMMANDS
    if each.name != "gateway"
    for words in commands_on_data(each.load(), (each.name,))
]


@pytest.mark.parametrize("words", COMMANDS_ON_DATA, ids=" ".join)
def test_a_command_makes_neither_a_folder_nor_a_database(words, tmp_path):
    folder = tmp_path / "mistyped"
    result = CliRunner().invoke(main, [*words, "--data", str(folder)], catch_exceptions=False)
    assert result.exit_code == 1
    assert (
        f"there is no database of an authority at {folder / 'deputize.db'}; name with --data" in result.output
    )
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_another_programs_gets_no_tables(tmp_path):
    file = tmp_path / "deputize.db"
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE theirs (id)")
    words = ["keys", "list", "--environment", "Test", "--data", str(tmp_path)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 1
    assert "there is no database of an authority at sqlite:" in result.output
    with contextlib.closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    assert not (tmp_path / "audit").exists()


def test_commands_are_found():
    assert ["keys", "list", "--environment", "Some"] in COMMANDS_ON_DATA
    assert len(COMMANDS_ON_DATA) >= 10
