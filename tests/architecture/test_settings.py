"""A setting of a directory object is declared once and used; nothing copies it from model to model."""

import ast
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, create_model

from deputize.authority.directory import assemble, objects
from deputize.authority.directory.objects import (
    LISTS,
    OBJECTS,
    AgentObject,
    AgreementObject,
    EnvironmentFile,
    EnvironmentObject,
    PolicyObject,
    ResourceObject,
)
from deputize.authority.environment_file import Application, EnvironmentFileInvalid, apply, problems, reading
from deputize.authority.storage import open_store
from deputize.oauth.records.settings import (
    AgentSettings,
    AgreementSettings,
    EnvironmentSettings,
    ResourceSettings,
)
from support.databases import new_database
from support.source import SOURCE, nodes_below

DECLARING = (Path(objects.__file__).parent, SOURCE / "oauth" / "records" / "settings.py")
"""Where settings are declared: what the protocol's rules read, and what the authority alone reads."""
SETTINGS = (AgentSettings, AgreementSettings, EnvironmentSettings, ResourceSettings)
MODELS = (AgentObject, AgreementObject, EnvironmentObject, PolicyObject, ResourceObject)


def judged() -> Mapping[Path, tuple[ast.AST, ...]]:
    """The nodes of each file that could name a setting."""
    return {
        path: nodes
        for package in ("authority", "oauth", "cli")
        for path, nodes in nodes_below(SOURCE / package).items()
        if "migrations" not in path.parts
    }


def is_declaring(path: Path) -> bool:
    return any(path == place or place in path.parents for place in DECLARING)


@pytest.mark.parametrize("model", SETTINGS, ids=lambda model: model.__name__)
def test_a_setting_is_declared_once(model):
    """Every other class that has a member of the name declares another thing or copies this one."""
    declared = Counter(
        member.target.id
        for path, nodes in judged().items()
        if is_declaring(path) or path.name == "directory.py"
        for node in nodes
        if isinstance(node, ast.ClassDef)
        for member in node.body
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name)
    )
    own = model.model_fields.keys() - {"description", "descriptions"}  # scopes and agents are described too
    assert own
    assert {name: declared[name] for name in own} == dict.fromkeys(own, 1)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_copies_settings_by_name(model):
    """Neither `name=each.name` nor `"name": each.name`.

    Code that names every setting forgets the next one.
    """
    copied = [
        f"{path.relative_to(SOURCE)}:{node.lineno} {name}"
        for path, nodes in judged().items()
        for node in nodes
        for name, value in _pairs(node)
        if isinstance(value, ast.Attribute)
        and value.attr == name
        and name in model.model_fields.keys() - {"id", "name"}
        and ("environment_file" in path.parts or "directory" in path.parts)
    ]
    assert copied == []


def _pairs(node):
    if isinstance(node, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in node.keywords)
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield key.value, value


class Clock:
    def now(self) -> float:
        return 1000.0


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("resource", {}),
        ("agent", {}),
        ("agreement", {"languages": [{"locale": "en", "title": "Terms", "text": "Terms"}]}),
    ],
)
async def test_a_setting_that_is_added_goes_all_the_way_by_itself(kind, members, tmp_path, monkeypatch):
    """From the file, with its bounds, into the store, the dry run and the snapshot, and stays as it is
    there.
    """
    limit = Annotated[int, Field(ge=1, le=9)]
    extended = create_model("Extended", __base__=OBJECTS[kind], added_limit=(limit, 3))
    listed = (tuple[extended, ...] | None, None)
    file = create_model("ExtendedFile", __base__=EnvironmentFile, **{LISTS[kind]: listed})
    for module in (reading, problems):
        monkeypatch.setattr(module, "EnvironmentFile", file)
    monkeypatch.setattr(assemble, OBJECTS[kind].__name__, extended)
    monkeypatch.setitem(OBJECTS, kind, extended)

    async with open_store(new_database(tmp_path)) as store:

        async def applied(**entry):
            text = json.dumps({"environment": "Test", LISTS[kind]: [{"name": "it", **entry}]})
            return (await apply(Application(text.encode(), "f", {}.get), store, None, Clock())).lines

        async def limits():
            rows = await store.directory_rows.load()
            (row,) = (row for row in rows.objects if row.kind == kind)
            (environment,) = assemble.assemble(
                rows, "http://localhost", 1000.0
            ).directory.environments.values()
            (record,) = getattr(environment, LISTS[kind]).values()
            return row.document["added_limit"], record.settings.added_limit

        await applied(**members)
        assert await limits() == (3, 3)
        assert await applied(added_limit=5) == (f"~ {kind} it: added_limit 3 -> 5",)
        assert await limits() == (5, 5)
        assert await applied(description="kept") == (f"~ {kind} it: description unset -> kept",)
        assert await limits() == (5, 5)
        await applied(added_limit=None)
        assert await limits() == (3, 3)
        with pytest.raises(EnvironmentFileInvalid, match="has to be at most 9"):
            await applied(added_limit=10)
        with pytest.raises(EnvironmentFileInvalid, match="did you mean 'added_limit'"):
            await applied(aded_limit=1)
