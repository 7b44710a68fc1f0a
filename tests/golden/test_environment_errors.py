"""What an operator reads when an environment file is wrong.

Each file holds, after `#! `, the lines it must be answered with. `{GRANTS}`, `{STEPS}`,
`{CLIENT_AUTH_METHODS}` and `{RESOURCE}`, a resource's members, stand in them for all there are, so that one
more changes no file.
"""

from pathlib import Path

import pytest

from deputize.authority.directory.objects import ResourceObject
from deputize.authority.environment_file import Application, EnvironmentFileInvalid, apply
from deputize.authority.signon.steps import STEPS
from deputize.authority.storage import open_store
from deputize.kernel.clock import SystemClock
from deputize.oauth.client_auth import CLIENT_AUTH_METHODS
from deputize.oauth.grants import GRANTS
from support.databases import new_database

FILES = sorted((Path(__file__).parent / "environment").glob("*.yaml"))
MARK = "#! "
LISTS = {
    "{GRANTS}": [grant.word for grant in GRANTS.own],
    "{STEPS}": [step.name for step in STEPS.own],
    "{CLIENT_AUTH_METHODS}": [method.name for method in CLIENT_AUTH_METHODS.own],
    "{RESOURCE}": ResourceObject.model_fields,
}


class NoPasswords:
    async def verify(self, password_hash, password):
        raise AssertionError("a file with errors must not get this far")

    hash = verify


def test_there_are_files():
    assert len(FILES) > 15


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_every_error_is_told_with_its_place(path, tmp_path):
    text = path.read_text("utf-8")
    filled = text
    for placeholder, names in LISTS.items():
        filled = filled.replace(placeholder, ", ".join(sorted(names)))
    expected = [line.removeprefix(MARK) for line in filled.splitlines() if line.startswith(MARK)]
    application = Application(text.encode(), path.name, {"KNOWN": "known"}.get)
    async with open_store(new_database(tmp_path)) as store:
        before = await store.directory_rows.load()
        with pytest.raises(EnvironmentFileInvalid) as caught:
            await apply(application, store, NoPasswords(), SystemClock())
        assert await store.directory_rows.load() == before
    assert str(caught.value).splitlines() == expected
