"""Every setting an operator can write says what it means, so that the reference, which is made from these
sentences, has no gaps.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from tools.reference import attribute_docstrings

from deputize import gateway
from deputize.authority.directory.objects.directory_object import DocumentPart
from deputize.gateway.config.settings import Settings


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in model.__subclasses__():
        yield each
        yield from _below(each)


def _models() -> list[Any]:
    for module in pkgutil.walk_packages(gateway.__path__, "deputize.gateway."):
        importlib.import_module(module.name)
    found = {*_below(Settings), *_below(DocumentPart)}
    # `_Steps` is made of the steps that there are, which say themselves what they mean
    ours = [each for each in found if each.__module__.startswith("deputize.") and each.__name__[0] != "_"]
    return sorted(ours, key=lambda each: (each.__module__, each.__qualname__))


@pytest.mark.parametrize(
    "model", _models(), ids=lambda model: f"{model.__module__.removeprefix('deputize.')}.{model.__qualname__}"
)
def test_every_setting_says_what_it_means(model: type[BaseModel]) -> None:
    silent = model.model_fields.keys() - attribute_docstrings(model).keys()
    assert not silent, f"write a text below {silent}, then run `make docs`"


def test_every_model_is_found() -> None:
    assert len(_models()) > 40
