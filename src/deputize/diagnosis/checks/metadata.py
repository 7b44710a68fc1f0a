"""What the two programs publish: who issues tokens for the gateway, and where (RFC 9728, RFC 8414)."""

from urllib.parse import urlsplit

from deputize.diagnosis import causes
from deputize.diagnosis.case import Case, origin_of, words
from deputize.diagnosis.checks.check import Check, Fine, challenges_of
from deputize.diagnosis.findings import Found
from deputize.diagnosis.web import place_of
from deputize.jose import KeyInvalid, read_key_set
from deputize.kernel.uris import is_same_resource, parse_origin
from deputize.mcp.metadata import well_known_url

_DISCOVERY = ("openid-configuration", "oauth-authorization-server")


async def read_challenge(case: Case) -> Fine:
    """See that a call without a token is answered 401, with a challenge that leads to the metadata."""
    answer, url = case.unasked, case.options.gateway_url
    if answer is None or answer.status == 404:
        raise Found(causes.ROUTE_NOT_LOADED, (f"404 at {place_of(url)}",), path=urlsplit(url).path or "/")
    if answer.status >= 500:
        raise Found(causes.GATEWAY_NOT_READY, url=place_of(url), status=str(answer.status))
    if answer.status != 401:
        raise Found(causes.NOT_PROTECTED, status=str(answer.status))
    case.challenge = next(iter(challenges_of(answer)), None)
    named = case.challenge.parameters.get("resource_metadata") if case.challenge else None
    if named is None:
        raise Found(
            causes.RESOURCE_METADATA_MISSING,
            ("401 without resource_metadata in a Bearer challenge",),
            url=place_of(url),
            status="401 without resource_metadata",
        )
    if origin_of(named) != parse_origin(url):
        raise Found(causes.GATEWAY_BASE_URL, (f"resource_metadata = {named}",), url=url, resource=named)
    return Fine("401 with a challenge that names the metadata", (f"resource_metadata = {named}",))


async def read_resource(case: Case) -> Fine:
    """Read the protected resource's metadata, and compare it with the address and the issuer given."""
    given, issuer = case.options.gateway_url, case.options.issuer
    url = (case.challenge and case.challenge.parameters.get("resource_metadata")) or well_known_url(given)
    answer = await case.web.get(url)
    resource = answer.members.get("resource")
    if answer.status != 200 or not isinstance(resource, str):
        status = str(answer.status) if answer.status != 200 else "200 without a document of metadata"
        raise Found(causes.RESOURCE_METADATA_MISSING, url=place_of(url), status=status)
    evidence = (f"resource = {resource}",)
    if not is_same_resource(resource, given):
        if resource.rstrip("/") == given.rstrip("/"):
            raise Found(causes.RESOURCE_TRAILING_SLASH, evidence, one=resource, other=given)
        if urlsplit(resource).path == urlsplit(given).path:
            raise Found(causes.GATEWAY_BASE_URL, evidence, url=given, resource=resource)
        raise Found(causes.RESOURCE_OF_ANOTHER_URL, evidence, url=given, resource=resource)
    servers = words(answer.members.get("authorization_servers"))
    if issuer not in servers:
        raise Found(causes.ANOTHER_AUTHORITY, evidence, named=", ".join(servers) or "nobody", issuer=issuer)
    case.resource = resource
    named = case.challenge.parameters.get("scope", "").split() if case.challenge else []
    case.scopes = tuple(named) or words(answer.members.get("scopes_supported"))
    return Fine(f"it is {resource}, of {issuer}", (f"scopes = {' '.join(case.scopes)}",))


async def read_authority(case: Case) -> Fine:
    """Read the authority's metadata, and see that it is about the issuer and leads to its own origin."""
    issuer = case.options.issuer
    origin, path = parse_origin(issuer), urlsplit(issuer).path.rstrip("/")
    urls = [f"{origin}{path}/.well-known/{_DISCOVERY[0]}", f"{origin}/.well-known/{_DISCOVERY[1]}{path}"]
    answer, url = None, urls[0]
    for url in urls:
        answer = await case.web.get(url)
        if answer.status == 200 and answer.members:
            break
    else:
        status = "nothing" if answer is None else str(answer.status)
        raise Found(causes.AUTHORITY_METADATA_MISSING, url=" and ".join(urls), status=status)
    named = answer.members.get("issuer")
    if named != issuer:
        evidence, text = (f"issuer = {named!r} at {place_of(url)}",), str(named)
        if urlsplit(text).path == path and origin_of(text) != origin:
            raise Found(causes.AUTHORITY_BASE_URL, evidence, origin=str(origin), named=text)
        raise Found(causes.ISSUER_INCONSISTENT, evidence, issuer=issuer, named=text)
    case.endpoints = answer.members
    for name in ("authorization_endpoint", "token_endpoint"):
        case.endpoint(name)
    return Fine(f"its issuer is {issuer}", (place_of(url),))


async def read_keys(case: Case) -> Fine:
    """Read the keys that verify tokens."""
    url = case.endpoint("jwks_uri")
    answer = await case.web.get(url)
    try:
        case.keys = read_key_set(answer.members)
    except KeyInvalid as error:
        raise Found(causes.KEYS_MISSING, url=place_of(url), reason=f"{answer.status}, {error}") from error
    if not case.keys:
        raise Found(causes.KEYS_MISSING, url=place_of(url), reason=f"{answer.status} without a usable key")
    return Fine(f"{len(case.keys)} keys verify its tokens")


CHECKS = (
    Check(
        "authority-metadata",
        "The authority's metadata are those of the issuer",
        read_authority,
        ("authority",),
    ),
    Check("keys", "The authority publishes its keys", read_keys, ("authority-metadata",)),
    Check("challenge", "The gateway asks for a token", read_challenge, ("gateway",)),
    Check("resource-metadata", "The gateway says who issues tokens for it", read_resource, ("challenge",)),
)
