"""Agreements: what users agree to before an agent may act for them."""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from deputize.authority.directory.objects.directory_object import DirectoryObject, DocumentPart
from deputize.kernel.values import JsonObject
from deputize.oauth.records.settings import AgreementSettings, Description, Locale, Name

MAX_TEXT = 32_000
MAX_EARLIER = 20
"""Wordings of an agreement that are kept when others take their place."""


class AgreementLanguage(DocumentPart):
    """An agreement's wording in one language."""

    locale: Locale
    """The language, such as `en` or `de-CH`."""
    title: Name
    """The heading of the page."""
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
    """What the user agrees to. A changed text is a new version, and asked for again."""
    content_type: Literal["text/plain", "text/html"] = "text/plain"
    """How the text is written."""
    enabled: bool = True
    """Whether it is offered."""

    @property
    def revision(self) -> str:
        """A digest of everything that is shown: another wording has another one."""
        shown = json.dumps([self.content_type, self.title, self.text])
        return hashlib.sha256(shown.encode()).hexdigest()[:32]


class EarlierWording(BaseModel):
    """A wording that an agreement had in one language, until it was changed or taken away."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    version: int
    """The version that it belonged to."""
    locale: str
    title: str
    text: str
    content_type: Literal["text/plain", "text/html"]


class AgreementHistory(BaseModel):
    """What the store keeps of an agreement's past."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    version: int = 1
    """Raised by one whenever a wording changes; a consent to an older version is due again."""
    revisions: dict[str, str] = Field(default_factory=dict)
    """The last wording of every language there ever was: one that comes back with other words is changed."""

    earlier: tuple[EarlierWording, ...] = ()
    """Wordings that were shown before, the newest last, of which `MAX_EARLIER` are kept."""

    def after(self, languages: Iterable[AgreementLanguage], before: Iterable[AgreementLanguage]) -> Self:
        """With these wordings instead of those `before`. A language more or less asks nobody again."""
        shown = {each.locale: each.revision for each in languages}
        changed = any(self.revisions.get(locale, revision) != revision for locale, revision in shown.items())
        earlier = [
            EarlierWording(version=self.version, **each.model_dump(exclude={"enabled"}))
            for each in before
            if shown.get(each.locale) != each.revision
        ]
        return self.model_copy(
            update={
                "version": self.version + changed,
                "revisions": {**self.revisions, **shown},
                "earlier": (*self.earlier, *earlier)[-MAX_EARLIER:],
            }
        )


class AgreementObject(AgreementSettings, DirectoryObject):
    """A text that a user accepts before an agent may act for them."""

    name: Name
    """What steps call it."""
    description: Description = ""
    """A note for readers of the file."""
    enabled: bool = True
    """Whether users can be asked to accept it."""
    languages: tuple[AgreementLanguage, ...] = ()
    """Its texts, one for each language."""

    def can_be_shown_in(self, locale: str) -> bool:
        """Whether there is an enabled text in this language. A disabled agreement needs none."""
        return not self.enabled or any(each.enabled and each.locale == locale for each in self.languages)

    def next_history(self, history: JsonObject, before: DirectoryObject | None) -> JsonObject:
        """Its `AgreementHistory`, which decides whether users are asked again."""
        shown = before.languages if isinstance(before, AgreementObject) else ()
        return AgreementHistory.model_validate(history).after(self.languages, shown).model_dump(mode="json")
