"""Types that other packages add."""

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from deputize.gateway import catalogue
from deputize.gateway.config.settings import Settings
from deputize.kernel.errors import ConfigurationError


class AddedFilter:
    class Config(Settings):
        pass

    @classmethod
    def build(cls, config, site):
        return cls()


def offering(monkeypatch, *values):
    offered = [
        EntryPoint(f"offered-{at}", value, catalogue.ENTRY_POINT_GROUP) for at, value in enumerate(values)
    ]
    monkeypatch.setattr(catalogue, "entry_points", lambda group: offered)


def test_a_type_of_another_package_is_installed(monkeypatch):
    offering(monkeypatch, f"{__name__}:AddedFilter")
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(AddedFilter=AddedFilter))
    assert catalogue.installed()["AddedFilter"] is AddedFilter


def test_what_cannot_be_imported_is_an_error_with_a_name(monkeypatch):
    offering(monkeypatch, "no_such_module:Filter", "json:no_such_member", "json:loads")
    with pytest.raises(ConfigurationError) as raised:
        catalogue.installed()
    told = [str(each) for each in raised.value.errors]
    assert [f"'offered-{at}'" in each for at, each in enumerate(told)] == [True, True, True]
    assert "no_such_module:Filter cannot be imported: ModuleNotFoundError" in told[0]
    assert "json:no_such_member cannot be imported: AttributeError" in told[1]
    assert "json:loads is no type of heap object" in told[2]
