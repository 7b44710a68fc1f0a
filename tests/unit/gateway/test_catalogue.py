"""Heap types that other packages add."""

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from deputize.gateway.catalogue import HEAP_TYPES
from deputize.gateway.config.settings import Settings
from deputize.kernel import families
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.families import Family


class AddedFilter:
    class Config(Settings):
        pass

    @classmethod
    def build(cls, config, context):
        return cls()


def test_a_type_of_another_package_is_installed_and_what_is_no_type_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "strangers", SimpleNamespace(AddedFilter=AddedFilter, nothing=object()))
    offered = [EntryPoint("added", "strangers:AddedFilter", "deputize.gateway")]
    monkeypatch.setattr(families, "entry_points", lambda group: offered)
    fresh = Family(HEAP_TYPES.group, HEAP_TYPES.own, HEAP_TYPES.names, HEAP_TYPES.flaw)
    assert fresh.by_name["AddedFilter"] is AddedFilter
    offered.append(EntryPoint("nothing", "strangers:nothing", "deputize.gateway"))
    fresh = Family(HEAP_TYPES.group, HEAP_TYPES.own, HEAP_TYPES.names, HEAP_TYPES.flaw)
    with pytest.raises(
        ConfigurationError, match="strangers:nothing cannot be used: it lacks Config or build"
    ):
        _ = fresh.members
