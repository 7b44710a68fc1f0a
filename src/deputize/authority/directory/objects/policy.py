"""Policies: how users sign on."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Protocol, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo

from deputize.authority.directory.objects.directory_object import (
    DirectoryObject,
    DocumentPart,
    Translate,
)
from deputize.kernel.families import Family
from deputize.kernel.values import JsonObject
from deputize.oauth.consents import AGREEMENT_STEP
from deputize.oauth.records.settings import STORED

SettingsClass: TypeAlias = type[BaseModel]


class StepKind(Protocol):
    """What is known here of a kind of sign-on step (`authority.signon.step`)."""

    @property
    def name(self) -> str:
        """What files call it."""
        ...

    @property
    def type(self) -> str:
        """What policies of the snapshot call it."""
        ...

    @property
    def settings(self) -> SettingsClass:
        """The model of its settings."""
        ...

    @property
    def agreement_settings(self) -> tuple[str, ...]:
        """Those of its settings that name agreements."""
        ...

    @property
    def signs_on(self) -> bool:
        """Whether it signs somebody on where nobody is."""
        ...


def find_step(name: str) -> StepKind | None:
    """The kind of step that files call `name`; `None` when nothing provides it."""
    return _steps().get(name)


def _steps() -> Mapping[str, StepKind]:
    # By its name, like steps of other packages, which know all of the authority while this knows only what is
    # set. Commands that read no policies get along without the steps' pages and what these are made with.
    steps: Family[StepKind] = import_module("deputize.authority.signon.steps").STEPS
    return {step.name: step for step in steps.by_name.values()}


class _Steps(DocumentPart):
    """What may be written as a step; its fields are the steps that there are."""

    @model_validator(mode="after")
    def _is_one_step(self) -> Self:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            names = ", ".join(sorted(type(self).model_fields))
            raise ValueError(f"needs exactly one of {names}, such as login: {{}}")
        return self


def _steps_model() -> type[_Steps]:
    return _model_of(*((name, step.settings) for name, step in _steps().items()))


@cache
def _model_of(*settings: tuple[str, type[BaseModel]]) -> type[_Steps]:
    fields: dict[str, Any] = {name: (model | None, None) for name, model in settings}
    return create_model("_Steps", __base__=_Steps, **fields)


class PolicyStep(DocumentPart):
    """A step of a policy: exactly one member, named like the step, with its settings."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, JsonValue]] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride] - how Pydantic is told the type of other members

    @classmethod
    def entry_fields(cls) -> Mapping[str, FieldInfo]:
        """The steps that there are, by name."""
        return _steps_model().model_fields

    @model_validator(mode="before")
    @classmethod
    def _check_settings(cls, data: object, info: ValidationInfo) -> object:
        """Hold a step to the settings of its kind. What is stored was judged before."""
        if info.context is STORED:
            return data
        return _steps_model().model_validate(data).model_dump(mode="json", exclude_none=True)

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if len(self.__pydantic_extra__) != 1:
            raise ValueError("is no step")
        return self

    @property
    def name(self) -> str:
        """What files call the step."""
        return next(iter(self.__pydantic_extra__))

    @property
    def settings(self) -> JsonObject:
        """What it is given. An agreement is told by its name, or where stored, by its id."""
        return self.__pydantic_extra__[self.name]

    @property
    def type(self) -> str:
        """What policies of the snapshot call the step."""
        step = find_step(self.name)
        return step.type if step else self.name

    @property
    def signs_on(self) -> bool:
        """Whether a policy may begin with it: it tells who the user is."""
        step = find_step(self.name)
        return step is not None and step.signs_on

    def agreements(self) -> Iterator[tuple[str, str]]:
        """The settings that name an agreement, and the agreements."""
        step = find_step(self.name)
        for setting in step.agreement_settings if step else ():
            if isinstance(name := self.settings.get(setting), str):
                yield setting, name


class PolicyObject(DirectoryObject):
    """An authentication policy."""

    name: Annotated[
        str,
        StringConstraints(
            min_length=1, max_length=256, pattern=r"^([a-zA-Z0-9_. -]+|[a-zA-Z][a-zA-Z0-9+.-]*:[!-~]+)$"
        ),
    ]
    """What agents call it, and the `acr` of tokens."""
    steps: Annotated[tuple[PolicyStep, ...], Field(min_length=1, max_length=20)] = ()
    """What the user goes through, in order; a new policy needs them."""

    @property
    def agreements(self) -> tuple[str, ...]:
        """The agreements that its steps name."""
        return tuple(agreement for step in self.steps for _, agreement in step.agreements())

    @property
    def asks_for_consent(self) -> bool:
        """Whether an agreement prompt is among its steps: consents come of no other kind of step."""
        return any(step.type == AGREEMENT_STEP for step in self.steps)

    def translate(self, translation: Translate) -> Self:
        """The same with the names of agreements for their ids, or the other way; "" for one that is gone."""
        steps: list[PolicyStep] = []
        for step in self.steps:
            named = {setting: translation("agreement", each) or "" for setting, each in step.agreements()}
            members = {step.name: {**step.settings, **named}}
            steps.append(PolicyStep.model_validate(members, context=STORED))
        return self.model_copy(update={"steps": tuple(steps)})
