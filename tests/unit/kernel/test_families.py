"""Members that other packages add."""

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from deputize.kernel import families
from deputize.kernel.errors import ConfigurationError
from deputize.kernel.families import Family, instance_of


@dataclass(frozen=True)
class Fruit:
    names: tuple[str, ...]


OWN = Fruit(("apple", "pome"))


def family(monkeypatch, *values):
    offered = [EntryPoint(f"offered-{at}", value, "test.fruits") for at, value in enumerate(values)]
    monkeypatch.setattr(families, "entry_points", lambda group: offered if group == "test.fruits" else ())
    return Family("test.fruits", (OWN,), lambda fruit: fruit.names, instance_of(Fruit))


def test_a_member_of_another_package_comes_after_the_own_ones(monkeypatch):
    pear = Fruit(("pear",))
    monkeypatch.setitem(sys.modules, "orchard", SimpleNamespace(PEAR=pear))
    fruits = family(monkeypatch, "orchard:PEAR")
    assert fruits.members == (OWN, pear)
    assert fruits.by_name == {"apple": OWN, "pome": OWN, "pear": pear}


def test_all_that_cannot_be_used_is_told_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "orchard", SimpleNamespace(POME=Fruit(("quince", "pome"))))
    fruits = family(monkeypatch, "no_such_module:X", "json:no_such_member", "json:loads", "orchard:POME")
    with pytest.raises(ConfigurationError) as raised:
        _ = fruits.members
    told = [str(each) for each in raised.value.errors]
    assert [f"'offered-{at}'" in each for at, each in enumerate(told)] == [True] * 4
    assert "no_such_module:X cannot be imported: ModuleNotFoundError" in told[0]
    assert "json:no_such_member cannot be imported: AttributeError" in told[1]
    assert "json:loads cannot be used: it is no Fruit" in told[2]
    assert "orchard:POME cannot be used: Deputize itself provides 'pome' already" in told[3]


def test_two_packages_cannot_provide_the_same_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "orchard", SimpleNamespace(A=Fruit(("pear",)), B=Fruit(("pear",))))
    fruits = family(monkeypatch, "orchard:A", "orchard:B")
    with pytest.raises(ConfigurationError, match="an unknown package provides 'pear' already"):
        _ = fruits.members


def test_installed_packages_are_looked_through_once_for_all_families(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    info = tmp_path / "orchard-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: orchard\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[test.fruits]\npear = orchard:PEAR\n[test.trees]\noak = orchard:OAK\n"
    )
    scans = []
    scan = families.metadata.entry_points
    monkeypatch.setattr(families.metadata, "entry_points", lambda: scans.append(1) or scan())
    for group, name in (("test.fruits", "pear"), ("test.trees", "oak")):
        assert [entry.name for entry in families.entry_points(group)] == [name]
    assert len(scans) == 1
