"""What the API answers with, as the models that its description shows."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from deputize.authority.administration import Changed, ListPage, ObjectView
from deputize.authority.directory.changes import IssuedSecret
from deputize.authority.environment_file import Applied
from deputize.authority.management.problems import NO_STORE
from deputize.kernel.segments import write_segment
from deputize.kernel.strict_json import dumps
from deputize.kernel.values import JsonValue


class JsonAnswer(Response):
    """A JSON document, in an answer that nobody stores."""

    media_type = "application/json"

    def __init__(
        self, document: Mapping[str, JsonValue], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Keep the `document` for whoever has to answer the same again."""
        self.document = document
        super().__init__(dumps(document), status, {**NO_STORE, **(headers or {})})


class ProblemError(BaseModel):
    """One thing that is wrong with a request."""

    pointer: str | None = None
    """JSON pointer (RFC 6901) to the place in the entry or file; empty for it as a whole."""
    line: int | None = None
    """Of a file in YAML: the line, counted from 1."""
    column: int | None = None
    """The column there, counted from 1."""
    parameter: str | None = None
    """The name of the parameter of path, query or header that is wrong."""
    detail: str
    """What is wrong there."""
    fix: str | None = None
    """What to do about it."""


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    type: Literal["about:blank"]
    """The status says which kind of problem it is."""
    title: str
    """The status in words."""
    status: int
    """The status of the answer."""
    detail: str
    """What went wrong with this request."""
    correlation_id: str
    """What log and audit know the request by."""
    errors: list[ProblemError] = Field(default_factory=list[ProblemError])
    """Each thing that is wrong, where several can be."""


class AppliedEnvironment(BaseModel):
    """The environment that a file was applied to."""

    id: str | None
    """Its id; null when it would be drawn only when the file is applied."""
    name: str
    """Its name."""
    issuer: str | None
    """The issuer of its tokens."""


class AppliedObject(BaseModel):
    """An object that the environment has now."""

    kind: str
    """The kind of the object."""
    id: str
    """Its id."""
    name: str
    """Its name."""


class DifferenceModel(BaseModel):
    """What changed, or in a dry run would."""

    kind: str
    """The kind of the object."""
    id: str | None = None
    """Its id; null when it would be drawn only when the change is made."""
    name: str
    """Its name."""
    before: dict[str, Any] | None = None
    """The members that changed, as they were; null when it is new."""
    after: dict[str, Any] | None = None
    """The same, as they are now; null when it is gone."""
    secret: Literal["given", "drawn"] | None = None
    """Where a secret came into being, how."""


class IssuedSecretModel(BaseModel):
    """A secret that came into being: readable here and never again."""

    kind: str
    """The kind of the object that authenticates with it."""
    id: str
    """Its id, with which it authenticates."""
    name: str
    """Its name."""
    secret: str | None
    """The secret. Null where an answer is repeated for its `Idempotency-Key`: no secret is kept."""


class AppliedDocument(BaseModel):
    """What the application of a file did, or in a dry run would."""

    environment: AppliedEnvironment
    """Where."""
    objects: list[AppliedObject]
    """All objects there are now, users excepted; none in a dry run."""
    differences: list[DifferenceModel]
    """What changed. None: it was like that already."""
    warnings: list[str]
    """What works, but is probably not meant."""
    secrets: list[IssuedSecretModel]
    """Secrets that came into being, readable here and never again."""
    dry_run: bool
    """Whether nothing was changed."""


def view_document(view: ObjectView) -> dict[str, JsonValue]:
    """Write an object."""
    return {
        "kind": view.kind,
        "id": view.id,
        "name": view.name,
        "entry": view.entry,
        "etag": view.etag,
        "facts": view.facts,
    }


def answer_view(view: ObjectView, if_none_match: str | None = None) -> Response:
    """Answer with an object, or 304 where the caller has it already (RFC 9110 section 13.1.2)."""
    etag = f'"{view.etag}"'
    known = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
    if etag in known or "*" in known:
        return Response(None, 304, {"ETag": etag, **NO_STORE})
    return JsonAnswer(view_document(view), headers={"ETag": etag})


def answer_page(page: ListPage[ObjectView]) -> Response:
    """Answer with a part of a list."""
    return JsonAnswer(
        {"items": [view_document(each) for each in page.items], "next_cursor": page.next_cursor}
    )


def answer_changed(changed: Changed, place: str | None = None) -> Response:
    """Answer with what a change did: 201 where an object came into being, which is at `place` and its id."""
    view, headers = changed.view, dict[str, str]()
    is_new = place is not None and not changed.dry_run and view is not None
    if view is not None and not changed.dry_run:
        headers["ETag"] = f'"{view.etag}"'
    if is_new and view is not None:
        headers["Location"] = f"{place}/{write_segment(view.id)}"
    document: dict[str, JsonValue] = {
        "object": view_document(view) if view is not None else None,
        "differences": [each.record() for each in changed.differences],
        "warnings": list(changed.warnings),
        "secrets": [_secret_document(each) for each in changed.secrets],
        "ends": dict(changed.ends),
        "dry_run": changed.dry_run,
    }
    return JsonAnswer(document, 201 if is_new else 200, headers)


def answer_applied(applied: Applied, *, dry_run: bool) -> Response:
    """Answer with what the application of a file did."""
    environment = applied.environment
    return JsonAnswer(
        {
            "environment": {
                "id": environment.id or None,
                "name": environment.name,
                "issuer": f"{applied.base_url}/{environment.id}/as" if environment.id else None,
            },
            "objects": [
                {"kind": each.kind, "id": each.id, "name": each.name}
                for each in applied.objects
                if not dry_run
            ],
            "differences": [each.record() for each in applied.differences],
            "warnings": list(applied.warnings),
            "secrets": [_secret_document(each) for each in applied.secrets if not dry_run],
            "dry_run": dry_run,
        }
    )


def answer_text(text: str, media_type: str) -> Response:
    """Answer with a text."""
    return Response(text, headers=NO_STORE, media_type=media_type)


def _secret_document(issued: IssuedSecret) -> dict[str, JsonValue]:
    owner = issued.owner
    return {"kind": owner.kind, "id": owner.id, "name": owner.name, "secret": issued.text}
