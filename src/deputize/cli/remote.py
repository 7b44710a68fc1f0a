"""A running authority, reached through its management API: what commands do on a database, done there."""

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import unquote, urlencode, urlsplit

import click

from deputize.authority.administration import (
    Changed,
    ListPage,
    ListQuery,
    ObjectKind,
    ObjectView,
    Operator,
)
from deputize.authority.directory.changes import IssuedSecret
from deputize.authority.directory.objects import Role
from deputize.authority.environment_file import Application, Applied, EnvironmentFileInvalid
from deputize.authority.environment_file.plan import Difference, NewSecret
from deputize.authority.environment_file.reading import parse
from deputize.authority.storage import EnvironmentRow, Kind, ObjectRow
from deputize.cli.anywhere import find_object
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, HeaderError, Headers, Request
from deputize.http.upstream import Deadlines, Upstream, UpstreamError
from deputize.kernel.clock import Clock, SystemClock
from deputize.kernel.errors import ConfigurationError, Position
from deputize.kernel.redaction import printable
from deputize.kernel.segments import write_segment
from deputize.kernel.strict_json import JsonError, dumps, loads
from deputize.kernel.uris import Origin, UriError, is_loopback_host, parse_origin, parse_target
from deputize.kernel.values import JsonObject, JsonValue

TOKEN: Final = "DEPUTIZE_TOKEN"
MAX_ANSWER: Final = 64 * 1024 * 1024
SECONDS: Final = 90.0
"""How long one answer may take in all."""
KINDS: Final[Mapping[ObjectKind, str]] = {
    "resource": "resources",
    "agreement": "agreements",
    "policy": "policies",
    "agent": "agents",
    "user": "users",
}
"""The segments of paths at which each kind is listed."""
_ENVIRONMENTS: Final = "/v1/environments"
_ADMINISTRATORS: Final = "/v1/administrators/invitations"


def place_of(*segments: str) -> str:
    """Return the path of an environment, or of something in it; the first segment is the environment's id."""
    return "/".join((_ENVIRONMENTS, *map(write_segment, segments)))


class ManagementClient:
    """Asks the management API of one authority, with one token."""

    def __init__(self, origin: Origin, token: str) -> None:
        self.origin = origin
        self._token = token
        self._upstream = Upstream(deadlines=Deadlines(connect=10.0, idle=SECONDS, body=SECONDS))

    async def ask(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        """Return the JSON object that is answered. Raises `click.ClickException` with what a problem says."""
        status, content = await self._send(method, path, body)
        answer = _read(content)
        if status >= 400:
            raise click.ClickException(tell_problem(status, answer))
        return answer

    async def change(self, method: str, path: str, body: JsonObject | None = None) -> Changed:
        """Return what a change did. Raises as `ask` does."""
        return _changed(await self.ask(method, path, body))

    async def text(self, path: str) -> str:
        """Return the text that is answered. Raises as `ask` does."""
        status, content = await self._send("GET", path, None)
        if status >= 400:
            raise click.ClickException(tell_problem(status, _read(content)))
        return content.decode()

    async def attempt(self, method: str, path: str, body: JsonObject | None = None) -> tuple[int, JsonObject]:
        """Return status and JSON object, whatever the status. Raises where there is no answer."""
        status, content = await self._send(method, path, body)
        return status, _read(content)

    async def _send(self, method: str, path: str, body: JsonObject | None) -> tuple[int, bytes]:
        headers = Headers([(b"Authorization", f"Bearer {self._token}".encode("ascii"))])
        content = b"" if body is None else dumps(body)
        if body is not None:
            headers.add("Content-Type", "application/json")
            headers.add("Content-Length", str(len(content)))
        try:
            target = parse_target(path.encode("ascii"))
            request = Request(method, target, headers, Body(content), self.origin)
            async with asyncio.timeout(SECONDS):
                response = await self._upstream.send(request)
                try:
                    return response.status, await response.body.read(MAX_ANSWER)
                finally:
                    await response.body.aclose()
        except (UpstreamError, UriError, HeaderError, BodyBroken, BodyTooLarge, TimeoutError) as error:
            raise click.ClickException(f"{self.origin} gave no whole answer: {error}") from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._upstream.aclose()


def _read(content: bytes) -> JsonObject:
    try:
        value = loads(content, max_size=MAX_ANSWER)
    except JsonError:
        return {}
    return value if isinstance(value, dict) else {}


def tell_problem(status: int, problem: JsonObject) -> str:
    """Say what a problem (RFC 9457) says, with each of its errors."""
    lines = [
        f"the authority answered {status}: {printable(str(problem.get('detail', 'no problem is told')))}"
    ]
    if status in {401, 403}:
        lines[0] += f"; {TOKEN} has to be a token of the administrators' environment that opens the API"
    for each in cast("Sequence[JsonObject]", problem.get("errors", ())):
        place = each.get("pointer") or each.get("parameter") or ""
        lines.append(f"{place}: {printable(str(each.get('detail')))}")
    return "\n".join(lines)


class RemoteEnvironments:
    """The environments of the authority."""

    def __init__(self, client: ManagementClient) -> None:
        self._client = client

    async def list(self, _: Operator) -> ListPage[ObjectView]:
        """All environments by name."""
        return _page(await self._client.ask("GET", _ENVIRONMENTS))

    async def find(self, _: Operator, environment_id: str) -> ObjectView | None:
        """The environment with this id."""
        return _view(await self._client.ask("GET", place_of(environment_id)))

    async def export(
        self, _: Operator, environment_id: str, *, ids: bool = False, password_hashes: bool = False
    ) -> str:
        """The environment as the file that makes it."""
        asked = {"ids": str(ids).lower(), "password_hashes": str(password_hashes).lower()}
        return await self._client.text(f"{place_of(environment_id, 'export')}?{urlencode(asked)}")

    async def remove(self, _: Operator, environment_id: str, *, dry_run: bool) -> Changed:
        """Remove an environment with everything in it."""
        path = f"{place_of(environment_id)}?dry_run={str(dry_run).lower()}"
        return await self._client.change("DELETE", path)

    async def apply(self, _: Operator, application: Application) -> Applied:
        """Apply a file, with what its tokens stand for here. Raises `EnvironmentFileInvalid`."""
        settings: dict[str, JsonValue] = {}

        def resolve(name: str) -> str | None:
            value = application.resolve(name)
            if value is not None:
                settings[name] = value
            return value

        parse(application.text, application.file, resolve)
        body: JsonObject = {
            "text": application.text.decode(),
            "file": application.file,
            "settings": settings,
            "prune": application.prune,
        }
        path = f"/v1/apply?dry_run={str(application.dry_run).lower()}"
        status, answer = await self._client.attempt("POST", path, body)
        if status == 422 and "errors" in answer:
            errors = cast("Sequence[Mapping[str, Any]]", answer["errors"])
            raise EnvironmentFileInvalid([_error(application.file, each) for each in errors])
        if status >= 400:
            raise click.ClickException(tell_problem(status, answer))
        return _applied(answer)


class RemoteList:
    """Something that is listed a page at a time, and changed at its place: sessions, consents, keys."""

    def __init__(self, client: ManagementClient, name: str) -> None:
        self._client = client
        self._name = name

    async def list(
        self,
        _: Operator,
        environment_id: str,
        query: ListQuery | None = None,
        **filters: str | None,
    ) -> ListPage[ObjectView]:
        """A page of them."""
        asked = {name: value for name, value in filters.items() if value is not None}
        if query is not None:
            asked["limit"] = str(query.bounded_limit)
            asked |= {"cursor": query.cursor} if query.cursor is not None else {}
        path = place_of(environment_id, self._name)
        return _page(await self._client.ask("GET", f"{path}?{urlencode(asked)}"))


class RemoteSessions(RemoteList):
    """The sessions."""

    async def end(self, _: Operator, environment_id: str, session_id: str) -> Changed:
        """End a session."""
        return await self._client.change("DELETE", place_of(environment_id, "sessions", session_id))

    async def end_all(self, _: Operator, environment_id: str, user_id: str) -> Changed:
        """End all sessions of a user."""
        return await self._client.change("DELETE", place_of(environment_id, "users", user_id, "sessions"))


class RemoteConsents(RemoteList):
    """The consents."""

    async def withdraw(self, _: Operator, environment_id: str, user_id: str, agent_id: str) -> Changed:
        """Withdraw what a user agreed to for an agent."""
        place = place_of(environment_id, "users", user_id, "consents", agent_id)
        return await self._client.change("DELETE", place)


class RemoteKeys(RemoteList):
    """The keys."""

    async def rotate(self, _: Operator, environment_id: str, algorithms: Sequence[str]) -> Changed:
        """Sign with the next keys."""
        body: JsonObject = {"algorithms": [*algorithms]}
        return await self._client.change("POST", place_of(environment_id, "keys", "rotate"), body)

    async def retire(self, _: Operator, environment_id: str, kid: str) -> Changed:
        """Forget a retired key."""
        return await self._client.change("DELETE", place_of(environment_id, "keys", kid))


class RemoteInvitations:
    """The initial access tokens of an environment."""

    def __init__(self, client: ManagementClient) -> None:
        self._client = client

    async def create(self, _: Operator, environment_id: str, *, uses: int, lifetime: float) -> Changed:
        """Draw an initial access token."""
        body: JsonObject = {"uses": uses, "lifetime": int(lifetime)}
        return await self._client.change("POST", place_of(environment_id, "invitations"), body)

    async def withdraw(self, _: Operator, environment_id: str, token_id: str) -> Changed:
        """Let a token admit nobody any more."""
        return await self._client.change("DELETE", place_of(environment_id, "invitations", token_id))


class RemoteAdministrators:
    """The invitations of administrators."""

    def __init__(self, client: ManagementClient) -> None:
        self._client = client

    async def list(self, _: Operator) -> ListPage[ObjectView]:
        """Those that nobody has taken."""
        return _page(await self._client.ask("GET", _ADMINISTRATORS))

    async def create(
        self, _: Operator, username: str, roles: Collection[Role], *, base_url: str | None
    ) -> Changed:
        """Invite somebody to this name and these roles; the server knows where its console is. Raises with a
        `base_url`.
        """
        if base_url is not None:
            raise click.UsageError("a running authority knows its own address: leave --base-url out")
        body: JsonObject = {"username": username, "roles": [*roles]}
        return await self._client.change("POST", _ADMINISTRATORS, body)

    async def withdraw(self, _: Operator, invitation_id: str) -> Changed:
        """Let a link admit nobody any more."""
        return await self._client.change("DELETE", f"{_ADMINISTRATORS}/{write_segment(invitation_id)}")


class RemoteAdministration:
    """What commands ask of `Administration`, of an authority elsewhere; the token says who asks."""

    def __init__(self, client: ManagementClient) -> None:
        self._client = client
        self.environments = RemoteEnvironments(client)
        self.sessions = RemoteSessions(client, "sessions")
        self.consents = RemoteConsents(client, "consents")
        self.keys = RemoteKeys(client, "keys")
        self.invitations = RemoteInvitations(client)
        self.administrators = RemoteAdministrators(client)

    async def list(
        self, operator: Operator, environment_id: str, kind: ObjectKind, query: ListQuery | None = None
    ) -> ListPage[ObjectView]:
        """A page of the objects of a kind."""
        query = query or ListQuery()
        filters = {"search": query.search or None, "role": query.role}
        if query.introduced is not None:
            filters["introduced"] = str(query.introduced).lower()
        return await RemoteList(self._client, KINDS[kind]).list(operator, environment_id, query, **filters)

    async def find_named(
        self, operator: Operator, environment_id: str, kind: ObjectKind, name: str
    ) -> ObjectView | None:
        """The object with this id, else with this name."""
        status, answer = await self._client.attempt("GET", place_of(environment_id, KINDS[kind], name))
        if status < 400:
            return _view(answer)
        if status != 404:
            raise click.ClickException(tell_problem(status, answer))
        query = ListQuery(search=name[:256])
        while True:
            page = await self.list(operator, environment_id, kind, query)
            for view in page.items:
                if view.name == name:
                    return view
            if page.next_cursor is None:
                return None
            query = ListQuery(search=name[:256], cursor=page.next_cursor)

    async def change(
        self, _: Operator, environment_id: str, kind: ObjectKind, entry: JsonObject, *, object_id: str
    ) -> Changed:
        """Change members of an object."""
        return await self._client.change("PATCH", place_of(environment_id, KINDS[kind], object_id), entry)

    async def remove(self, _: Operator, environment_id: str, kind: ObjectKind, object_id: str) -> Changed:
        """Remove an object."""
        return await self._client.change("DELETE", place_of(environment_id, KINDS[kind], object_id))

    async def new_secret(
        self,
        _: Operator,
        environment_id: str,
        kind: ObjectKind,
        object_id: str,
        *,
        keep_previous: float,
    ) -> Changed:
        """Draw a new secret."""
        place = place_of(environment_id, KINDS[kind], object_id, "secrets")
        return await self._client.change("POST", place, {"keep_previous": int(keep_previous)})

    async def end_previous_secrets(
        self, _: Operator, environment_id: str, kind: ObjectKind, object_id: str
    ) -> Changed:
        """End all secrets but the newest."""
        place = place_of(environment_id, KINDS[kind], object_id, "secrets", "previous")
        return await self._client.change("DELETE", place)

    async def unlock(self, _: Operator, environment_id: str, user_id: str) -> Changed:
        """Forget the wrong passwords typed for a user."""
        return await self._client.change("POST", place_of(environment_id, "users", user_id, "unlock"))

    async def reset_factors(self, _: Operator, environment_id: str, user_id: str) -> Changed:
        """Forget a user's second factors."""
        return await self._client.change("DELETE", place_of(environment_id, "users", user_id, "factors"))


@dataclass(slots=True)
class RemoteOperation:
    """The work of one command on an authority elsewhere, which records itself what is done."""

    administration: RemoteAdministration
    environment_named: str
    """The environment at the address that was typed, by name or id; empty where it names none."""
    clock: Clock = field(default_factory=SystemClock)
    environment_id: str | None = None
    members: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])

    async def find_environment(self, name: str) -> str:
        """The id of the environment at the address `name`. Raises `click.ClickException` without one."""
        if not self.environment_named:
            raise click.ClickException(f"{name} names no environment; add its name or id: {name}/NAME")
        found = (await self.administration.environments.list(REMOTE)).items
        for view in found:
            if self.environment_named in {view.id, view.name}:
                return view.id
        known = ", ".join(view.name for view in found) or "none"
        raise click.ClickException(f"there is no environment {self.environment_named!r}; there is {known}")

    async def find(self, environment_id: str, kind: ObjectKind, name: str) -> ObjectView:
        """The object with this name or id. Raises `click.ClickException` when there is none."""
        return await find_object(self.administration, REMOTE, environment_id, kind, name)


REMOTE: Final = Operator("command", str(os.getuid()), "", frozenset())
"""Stands where a token says who asks."""


def open_client(address: str) -> tuple[ManagementClient, str]:
    """Return a client of the authority at an address, and the environment that the address names.

    That is `ORIGIN/ENVIRONMENT`, such as the issuer; without the environment all of the authority is meant.
    Raises `click.ClickException`.
    """
    parts = urlsplit(address)
    try:
        origin = parse_origin(f"{parts.scheme}://{parts.netloc}")
    except UriError as error:
        raise click.ClickException(f"{address!r} is no address of an authority: {error}") from error
    if origin.scheme != "https" and not is_loopback_host(origin.host):
        raise click.ClickException(f"{address} has to be https: a token travels to it")
    token = os.environ.get(TOKEN, "")
    if not token or not token.isascii() or not token.isprintable():
        raise click.ClickException(
            f"{TOKEN} has to hold a token of the authority's administrators' environment for the resource "
            "Management"
        )
    named = unquote(parts.path.strip("/").removesuffix("/as"))
    return ManagementClient(origin, token), named


def _view(document: JsonObject) -> ObjectView:
    members = cast("Mapping[str, Any]", document)
    return ObjectView(
        members["kind"],
        members["id"],
        members["name"],
        members["entry"],
        members["etag"],
        members["facts"],
    )


def _page(document: JsonObject) -> ListPage[ObjectView]:
    items = cast("Sequence[JsonObject]", document["items"])
    return ListPage(tuple(map(_view, items)), cast("str | None", document["next_cursor"]))


def _error(file: str, told: Mapping[str, Any]) -> ConfigurationError:
    place = Position(file, told.get("pointer", ""), told.get("line"), told.get("column"))
    return ConfigurationError(place, told["detail"], told.get("fix", ""))


def _difference(told: Mapping[str, Any]) -> Difference | NewSecret:
    known = (told["kind"], told.get("id") or "", told["name"])
    if "secret" in told:
        return NewSecret(*known, is_given=told["secret"] == "given")
    return Difference(*known, told["before"], told["after"])


def _changed(document: JsonObject) -> Changed:
    told = cast("Mapping[str, Any]", document)
    return Changed(
        _view(told["object"]) if told["object"] else None,
        tuple(map(_difference, told["differences"])),
        tuple(told["warnings"]),
        tuple(IssuedSecret(_row(each, ""), each["secret"]) for each in told["secrets"]),
        told["dry_run"],
        told["ends"],
    )


def _row(told: Mapping[str, Any], environment_id: str) -> ObjectRow:
    return ObjectRow(told["id"], environment_id, cast("Kind", told["kind"]), told["name"], {})


def _applied(document: JsonObject) -> Applied:
    told = cast("Mapping[str, Any]", document)
    environment, issuer = told["environment"], told["environment"]["issuer"]
    environment_id = environment["id"] or ""
    base_url = issuer.removesuffix(f"/{environment_id}/as") if issuer else None

    return Applied(
        EnvironmentRow(environment_id, environment["name"], {}, base_url),
        tuple(map(_difference, told["differences"])),
        tuple(told["warnings"]),
        tuple(_row(each, environment_id) for each in told["objects"]),
        (),
        tuple(IssuedSecret(_row(each, environment_id), each["secret"]) for each in told["secrets"]),
    )
