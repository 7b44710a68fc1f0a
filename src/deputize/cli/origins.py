"""The authority's base URL as people type it."""

import click

from deputize.kernel.uris import UriError, is_loopback_host, parse_origin

FIX = "name the origin under which users and agents reach the authority, such as --base-url https://auth.example.com"


class BaseUrl(click.ParamType[str]):
    """An origin, written plainly, without a trailing slash in the end."""

    name = "URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The origin for what was typed."""
        given = str(value)
        try:
            origin = parse_origin(given)
        except UriError as error:
            self.fail(f"{error}; {FIX}", param, ctx)
        if given.rstrip("/") != str(origin):
            self.fail(f"{given!r} is more than an origin, or not written plainly as {origin}", param, ctx)
        if origin.scheme == "http" and not is_loopback_host(origin.host):
            self.fail(
                "users' passwords travel to it, so it has to be https unless it is on this machine",
                param,
                ctx,
            )
        return str(origin)
