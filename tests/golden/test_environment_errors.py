"""What an operator reads when an environment file is wrong.

Each file holds, after `#! `, the lines it must be answered with.
"""

from pathlib import Path

import pytest

from deputize.authority.environment_file import Application, EnvironmentFileInvalid, apply
from deputize.authority.storage import open_store
from deputize.kernel.clock import SystemClock
from support.databases import new_database

FILES = sorted((Path(__file__).parent / "environment").glob("*.yaml"))
MARK = "#! "


class NoPasswords:
    async def verify(self, password_hash, password):
        raise AssertionError("a file with errors must not get this far")

    hash = verify


def test_there_are_files():
    assert len(FILES) > 15


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_every_error_is_told_with_its_place(path, tmp_path):
    text = path.read_text("utf-8")
    expected = [line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK)]
    application = Application(text.encode(), path.name, {"KNOWN": "known"}.get)
    async with open_store(new_database(tmp_path)) as store:
        before = await store.directory_rows.load()
        with pytest.raises(EnvironmentFileInvalid) as caught:
            await apply(application, store, NoPasswords(), SystemClock())
        assert await store.directory_rows.load() == before
    assert str(caught.value).splitlines() == expected
