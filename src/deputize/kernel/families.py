"""Families of exchangeable parts: Deputize's own in a literal tuple, those of packages by entry point."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any, Generic, TypeVar, cast

from deputize.kernel.errors import ConfigurationError, Faults, Position

Member = TypeVar("Member")


@dataclass(frozen=True)
class Family(Generic[Member]):
    """Deputize's own members in the order a reader wants, then those of packages, by package and name."""

    group: str
    """The entry-point group through which packages add members."""
    own: tuple[Member, ...]
    names: Callable[[Member], tuple[str, ...]]
    """Returns the names of a member, the preferred one first."""
    flaw: Callable[[object], str]
    """Returns what keeps an object from being a member, as a clause; "" when nothing does."""

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """All members; entry points are imported when this is first read.

        Raises `ConfigurationError` for each that cannot be imported, is no member, or has a name that is
        taken: no package changes what another one, or Deputize itself, provides.
        """
        faults = Faults()
        members = list(self.own)
        owners = {name: "Deputize itself" for member in self.own for name in self.names(member)}
        for entry in sorted(entry_points(group=self.group), key=lambda each: (_package(each), each.name)):
            member = faults.attempt(self._load, entry, owners)
            if member is not None:
                members.append(member)
                owners.update(dict.fromkeys(self.names(member), _package(entry)))
        faults.raise_any()
        return tuple(members)

    @cached_property
    def by_name(self) -> Mapping[str, Member]:
        """The members by each of their names. Raises `ConfigurationError` as `members` does."""
        return {name: member for member in self.members for name in self.names(member)}

    def _load(self, entry: EntryPoint, owners: Mapping[str, str]) -> Member:
        package = _package(entry)
        position = Position(f"the entry point {entry.name!r} of {package}")
        fix = f"repair or remove {package}, which adds it to {self.group}"
        try:
            found: Member = entry.load()
            flaw = self.flaw(found)
            taken = "" if flaw else next((name for name in self.names(found) if name in owners), "")
        except Exception as error:
            reason = f"{entry.value} cannot be imported: {type(error).__name__}: {error}"
            raise ConfigurationError(position, reason, fix) from error
        if flaw:
            raise ConfigurationError(position, f"{entry.value} cannot be used: {flaw}", fix)
        if taken:
            reason = f"{entry.value} cannot be used: {owners[taken]} provides {taken!r} already"
            raise ConfigurationError(position, reason, fix)
        return found


def entry_points(group: str) -> EntryPoints:
    """Return the entry points of `group` that installed packages declare."""
    return _scan_packages(tuple(sys.path)).select(group=group)


@lru_cache(maxsize=1)
def _scan_packages(_path: tuple[str, ...]) -> EntryPoints:
    # Looking through 170 packages takes 7 ms, whatever group is asked for: once is enough for all families.
    # Python 3.11 returns a mapping, which selects as well.
    return cast("EntryPoints", metadata.entry_points())


def load_families(families: Iterable[Family[Any]]) -> None:
    """Import what packages add to `families`, so that a program serves nobody before all of it is usable.

    Raises `ConfigurationError` with everything that is wrong with it.
    """
    faults = Faults()
    for family in families:
        faults.attempt(getattr, family, "members")
    faults.raise_any()


def instance_of(kind: type[object]) -> Callable[[object], str]:
    """Return the `flaw` of a family whose members are all of one class."""

    def flaw(found: object) -> str:
        return "" if isinstance(found, kind) else f"it is no {kind.__name__}"

    return flaw


def having(*attributes: str) -> Callable[[object], str]:
    """Return the `flaw` of a family whose members have these attributes, whatever their class."""

    def flaw(found: object) -> str:
        lacking = [name for name in attributes if not hasattr(found, name)]
        return f"it lacks {' or '.join(lacking)}" if lacking else ""

    return flaw


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown package"
