"""The lists that objects have (attributes, scopes, languages, steps), changed one item at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from deputize.authority.administration import Changed, EtagMismatch, NoSuchObject, ObjectView
from deputize.authority.console.call import ConsoleCall, Saved, SettableKind
from deputize.authority.console.forms import EntryForm, FilledForm
from deputize.authority.console.requests import problems_of
from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.authority.storage import DirectoryConflict
from deputize.kernel.values import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class ItemList:
    """A member of an object's entry that is a list, whose items are told apart by a member, or by place."""

    kind: SettableKind
    member: str
    """Such as `attributes`."""
    key: str | None = None
    """Such as `name`. Without one, items are told by their places, from 0: these mean something only together
    with the etag of the object that they were seen in.
    """

    def items(self, view: ObjectView) -> Sequence[JsonObject]:
        """Return the items of an object."""
        return cast("Sequence[JsonObject]", view.entry.get(self.member, ()))

    def find(self, view: ObjectView, key: str) -> JsonObject:
        """Return the item with that key. Raises `NoSuchObject`."""
        return self.items(view)[self._place(view, key)]

    async def save(
        self, call: ConsoleCall, view: ObjectView, form: EntryForm, item: JsonObject, key: str | None
    ) -> Saved | FilledForm:
        """Put an item in the place of the one with `key`, or behind all others; `null` leaves a member out.

        Members that the form does not have stay. Returns the form with what is wrong where that fails.
        """
        items, refused = list(self.items(view)), form.refill(call.typed)
        place = len(items) if key is None else self._place(view, key)
        others = (each for number, each in enumerate(items) if number != place)
        if self.key and any(each.get(self.key) == item.get(self.key) for each in others):
            return refused.with_problems({self.key: call.t("console.taken")})
        before: JsonObject = {} if key is None else items[place]
        whole = {name: value for name, value in {**before, **item}.items() if value is not None}
        items[place : place + 1] = [whole]
        try:
            changed = await self._change(call, view, items)
        except EnvironmentFileInvalid as error:
            inner = f"/{self.member}/{place}"
            problems = {place.removeprefix(inner): text for place, text in problems_of(error).items()}
            return refused.with_problems(problems)
        except (DirectoryConflict, EtagMismatch) as error:
            return refused.with_problems({"": str(error)})
        return Saved(changed.view or view, changed)

    async def remove(
        self, call: ConsoleCall, view: ObjectView, key: str, *, dry_run: bool = False
    ) -> Changed:
        """Remove the item with that key. Raises `NoSuchObject`, and what a change raises."""
        items = list(self.items(view))
        del items[self._place(view, key)]
        return await self._change(call, view, items, dry_run=dry_run)

    async def move(self, call: ConsoleCall, view: ObjectView, key: str, by: int) -> Changed:
        """Move the item with that key by some places. Raises as `remove` does."""
        items = list(self.items(view))
        place = self._place(view, key)
        items.insert(max(0, place + by), items.pop(place))
        return await self._change(call, view, items)

    async def _change(
        self, call: ConsoleCall, view: ObjectView, items: Sequence[JsonValue], *, dry_run: bool = False
    ) -> Changed:
        members = {self.member: list(items)}
        expected = view.etag if dry_run else call.seen
        return await call.change(self.kind, members, object_id=view.id, expected=expected, dry_run=dry_run)

    def _place(self, view: ObjectView, key: str) -> int:
        for place, item in enumerate(self.items(view)):
            if key == (str(place) if self.key is None else item.get(self.key)):
                return place
        raise NoSuchObject(f"{view.name!r} has no {key!r} in its {self.member}")
