"""Sends one request to a URL that a stranger named: fetches a document, or posts a form.

The host is looked up here, every address it has is judged, and the connection goes to a judged address: a
name that resolves differently a moment later leads nowhere else. Host, TLS server name and certificate remain
those of the name. No redirect is followed, no proxy is used, no cookie is sent, and no credential but where
`submit_form` is given one.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from operator import itemgetter
from typing import Final, TypeAlias, TypeVar

from deputize.authority.callers import Network
from deputize.authority.fetching.addresses import Address, is_public, is_within
from deputize.authority.registration.rates import Allowance, Rates
from deputize.http.messages import Body, BodyBroken, BodyTooLarge, HeaderError, Headers, Request, Response
from deputize.http.tls import client_context
from deputize.http.upstream.client import Upstream
from deputize.http.upstream.errors import ConnectFailed, ConnectTimeout, UpstreamError
from deputize.http.upstream.limits import Deadlines, PoolLimits
from deputize.kernel.errors import DeputizeError
from deputize.oauth.document_urls import HTTPS_PORT, DocumentUrl

MAX_SECONDS: Final = 5.0
"""From the wait for a place to the last byte."""
MAX_HEAD_BYTES: Final = 16 * 1024
MOST_AT_ONCE: Final = 16
MOST_WAITING: Final = 64
"""Fetches at once and waiting, of all hosts."""
MOST_OF_HOST: Final = 4
"""Fetches at once and waiting, of one host: one that is slow keeps no places from others."""
HOST_ALLOWANCE: Final = Allowance(60, 1.0)
"""How often one host is asked for documents that nobody here knows: through this server nobody floods it."""
MOST_ADDRESSES: Final = 3
"""Addresses of a host that are tried; all are judged."""
_LIMITS: Final = PoolLimits(connections=1, streams=1, head_bytes=MAX_HEAD_BYTES)
_HEADERS: Final = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"deputize"),
)
_IS_FORM: Final = (b"Content-Type", b"application/x-www-form-urlencoded")
_PASSING_STATUSES: Final = frozenset({408, 425, 429})

T = TypeVar("T")
Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""A host's name to its addresses. Raises `OSError` or `UnicodeError`."""


class FetchFailed(DeputizeError):
    """There is no document to use. The text is for the log, never for who named the URL."""

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        """`may_pass` says that the host did not answer, or not now: what it would say is not known."""
        super().__init__(reason)
        self.reason = reason
        self.may_pass = may_pass


class FetcherBusy(FetchFailed):
    """As many documents as allowed are being fetched."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, may_pass=True)


@dataclass(frozen=True, slots=True)
class Fetching:
    """What an operator allows beyond the public internet."""

    networks: tuple[Network, ...] = ()
    """Networks, such as an intranet's, whose addresses may be connected to, on any port."""
    ca_pem: bytes | None = None
    """Certificate authorities to trust instead of the system's."""


async def look_up(host: str) -> Sequence[str]:
    """Return the addresses of a host, as the system finds them, without blocking the event loop."""
    found = await asyncio.get_running_loop().getaddrinfo(host, HTTPS_PORT, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Fetcher:
    """Fetches documents, so many at once."""

    def __init__(self, fetching: Fetching | None = None, resolve: Resolve = look_up) -> None:
        """Allow what `fetching` says; `resolve` finds a host's addresses."""
        self._fetching = fetching or Fetching()
        self._resolve = resolve
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._hosts: Counter[str] = Counter()
        self._rates = Rates(HOST_ALLOWANCE)

    async def fetch(
        self, url: DocumentUrl, max_bytes: int, *, is_known: bool = False
    ) -> tuple[Headers, bytes]:
        """Return header fields and content of the JSON document at `url`, within `MAX_SECONDS`.

        `is_known`: it is of somebody who is kept here, of whom there are so many at most. Others may be asked
        for by anybody, under ever other URLs, and have `HOST_ALLOWANCE` to share. Raises `FetchFailed`.
        """

        async def take(response: Response) -> tuple[Headers, bytes]:
            check_head(response)
            return response.headers, await response.body.read(max_bytes)

        if not is_known and not self._rates.admit(url.origin.host, asyncio.get_running_loop().time()):
            raise FetcherBusy("its host was asked too often lately")
        return await self._ask(Request("GET", url.target, Headers(_HEADERS), origin=url.origin), url, take)

    async def post_form(self, url: DocumentUrl, form: bytes) -> int:
        """Send an encoded form to `url`, and return the status of the answer, within `MAX_SECONDS`.

        Raises `FetchFailed`; the form may have arrived all the same.
        """

        async def take(response: Response) -> int:
            return response.status

        request = Request("POST", url.target, Headers([*_HEADERS, _IS_FORM]), Body(form), url.origin)
        return await self._ask(request, url, take)

    async def submit_form(
        self, url: DocumentUrl, form: bytes, max_bytes: int, authorization: str | None = None
    ) -> tuple[int, bytes]:
        """Send an encoded form to `url`, with credentials where given, and return status and content of the
        answer, within `MAX_SECONDS`.

        Raises `FetchFailed`; the form may have arrived all the same.
        """

        async def take(response: Response) -> tuple[int, bytes]:
            return response.status, await response.body.read(max_bytes)

        headers = Headers([*_HEADERS, _IS_FORM])
        if authorization is not None:
            headers.add("Authorization", authorization)
        request = Request("POST", url.target, headers, Body(form), url.origin)
        return await self._ask(request, url, take)

    async def _ask(self, request: Request, url: DocumentUrl, take: Callable[[Response], Awaitable[T]]) -> T:
        """Send a request to `url` and return what `take` makes of the answer. Raises `FetchFailed`."""
        try:
            with self._counted(url.origin.host):
                async with asyncio.timeout(MAX_SECONDS), self._slots:
                    return await self._ask_any(request, await self._judged_addresses(url), take)
        except TimeoutError as error:
            raise FetchFailed(f"not complete within {MAX_SECONDS:g} seconds", may_pass=True) from error

    @contextmanager
    def _counted(self, host: str) -> Generator[None]:
        if self._hosts.total() >= MOST_WAITING or self._hosts[host] >= MOST_OF_HOST:
            raise FetcherBusy(f"{self._hosts.total()} fetches are under way, {self._hosts[host]} of its host")
        self._hosts[host] += 1
        try:
            yield
        finally:
            self._hosts[host] -= 1
            self._hosts += Counter()  # forgets hosts without a fetch

    async def _ask_any(
        self, request: Request, addresses: Sequence[Address], take: Callable[[Response], Awaitable[T]]
    ) -> T:
        """Send the request to the first address that can be connected to. Raises `FetchFailed`."""
        deadlines = Deadlines(connect=MAX_SECONDS / len(addresses), idle=None, body=None)
        failure: UpstreamError | None = None
        for address in addresses:
            upstream = Upstream(
                limits=_LIMITS, deadlines=deadlines, ssl_context=self._tls, address=str(address)
            )
            try:
                return await take(await upstream.send(request))
            except (ConnectFailed, ConnectTimeout) as error:
                failure = error
            except (BodyTooLarge, HeaderError) as error:
                raise FetchFailed(str(error)) from error
            except (UpstreamError, BodyBroken) as error:
                raise FetchFailed(str(error), may_pass=True) from error
            finally:
                await upstream.aclose()
        raise FetchFailed(str(failure), may_pass=True) from failure

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return client_context(self._fetching.ca_pem)

    async def _judged_addresses(self, url: DocumentUrl) -> list[Address]:
        """Return addresses of the URL's host to connect to, at least one, if every one it has is allowed.

        One that is not refuses the host: nobody means a host that is public and private at once. Raises
        `FetchFailed`.
        """
        try:
            found = [url.origin.host] if url.is_address else await self._resolve(url.origin.host)
            addresses = [*dict.fromkeys(map(ip_address, found))]
        except (OSError, ValueError) as error:  # UnicodeError is a ValueError
            raise FetchFailed(f"its host is not found: {error}", may_pass=True) from error
        networks = self._fetching.networks
        foreign = [each for each in addresses if not is_within(each, networks)]
        forbidden = [str(each) for each in foreign if not is_public(each)]
        if forbidden:
            raise FetchFailed(
                f"its host has the address {forbidden[0]}, which is not one of the public internet; allow it "
                "by --fetch-network if it is meant"
            )
        if foreign and (url.is_address or url.origin.port != HTTPS_PORT):
            raise FetchFailed("outside of --fetch-network only a host's name, and port 443, may be used")
        if not addresses:
            raise FetchFailed("its host has no address", may_pass=True)
        # The kinds take turns (RFC 8305 section 4): where one of them leads nowhere, the other comes soon.
        turns: Counter[int] = Counter()
        ranked: list[tuple[int, Address]] = []
        for address in addresses:
            ranked.append((turns[address.version], address))
            turns[address.version] += 1
        ranked.sort(key=itemgetter(0))
        return [address for _, address in ranked[:MOST_ADDRESSES]]


def check_head(response: Response) -> None:
    """Refuse an answer that is not a plain JSON document. Raises `FetchFailed`."""
    status = response.status
    if status != 200:
        followed = "; redirects are not followed" if 300 <= status <= 399 else ""
        may_pass = status >= 500 or status in _PASSING_STATUSES
        raise FetchFailed(f"answered with status {status} instead of 200{followed}", may_pass=may_pass)
    kinds = response.headers.get_all("content-type")
    kind = kinds[0].partition(";")[0].strip().lower() if len(kinds) == 1 else ""
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise FetchFailed("its Content-Type is neither application/json nor application/…+json")
    if any(each.strip().lower() != "identity" for each in response.headers.get_all("content-encoding")):
        raise FetchFailed("its content is compressed, which was not asked for")
