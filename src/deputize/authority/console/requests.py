"""What browsers send: forms, whose they are, and what was wrong with them."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from deputize.authority.environment_file.problems import EnvironmentFileInvalid
from deputize.kernel.digests import same
from deputize.kernel.errors import DeputizeError

MAX_FIELDS: Final = 2000
"""Fields of a form."""
MAX_FILES: Final = 4
"""Files that come with one."""


class FormForged(DeputizeError):
    """A form did not come from a page that this server showed in this session."""


async def read_form(request: Request) -> dict[str, Sequence[str]]:
    """Read the form that was sent: each name's values, in their order. Empty where it is no form of ours.

    The value of a file is its `data:` URL, empty where none was chosen. Raises `HTTPException` for a form
    with more than `MAX_FIELDS` fields, or with files that is broken.
    """
    typed: dict[str, list[str]] = {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind == "application/x-www-form-urlencoded":
        text = (await request.body()).decode("utf-8", "replace")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError as error:
            raise HTTPException(400) from error
        for name, value in pairs:
            typed.setdefault(name, []).append(value.replace("\x00", ""))
    elif kind == "multipart/form-data":
        async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
            for name, value in form.multi_items():
                text = await read_file(value) if isinstance(value, UploadFile) else value.replace("\x00", "")
                typed.setdefault(name, []).append(text)
    return dict(typed)


async def read_file(file: UploadFile) -> str:
    """Return a file as a `data:` URL; empty for an empty one."""
    content = await file.read()
    return f"data:{file.content_type};base64,{b64encode(content).decode('ascii')}" if content else ""


def is_own_form(request: Request, typed: dict[str, Sequence[str]], csrf: str) -> bool:
    """Return whether a form comes from a page that this server showed in this session."""
    given = next(iter(typed.get("csrf", ())), "")
    return request.headers.get("sec-fetch-site") in {None, "same-origin", "none"} and same(given, csrf)


def problems_of(error: EnvironmentFileInvalid) -> Mapping[str, str]:
    """Return what is wrong by the JSON pointer within the entry, in words."""
    found: dict[str, list[str]] = {}
    for each in error.errors:
        told = f"{each.reason}; {each.fix}" if each.fix else each.reason
        found.setdefault(each.position.pointer or "", []).append(told)
    return {pointer: " · ".join(texts) for pointer, texts in found.items()}
