"""`Router`: sends each exchange to the first route whose condition holds (gateway-config reference 1.5)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import structlog
from pydantic import field_validator

from deputize.gateway.config.settings import Duration, Reference, Settings
from deputize.gateway.exchange.refusals import refuse
from deputize.gateway.loading.context import BuildContext
from deputize.gateway.loading.route_set import RouteSet
from deputize.gateway.loading.routes import build_route
from deputize.http.exchange import Exchange, Head
from deputize.http.messages import Response
from deputize.http.plans import Handler, Plan
from deputize.kernel.errors import ConfigurationError, ConfigurationErrors

log = structlog.get_logger()
SWEEP_SECONDS = 1.0


class Router:
    """Routes from a directory, scanned again and again so that edits take effect without a restart."""

    aliases: ClassVar[tuple[str, ...]] = ("RouterHandler",)

    class Config(Settings):
        """The folder of routes. With a `scanInterval` of zero or unlimited it is read once, at the start."""

        directory: str | None = None
        """The folder of the route files; `config/routes` of the instance folder when absent."""
        scan_interval: Duration = 10.0
        """How often the folder is read again; `disabled`: only at the start."""
        default_handler: Reference | None = None
        """Answers what no route accepts; without it that is 404."""
        fail_on_route_error: bool = False
        """Whether one wrong route keeps all of them, and so the gateway, from starting.

        Otherwise it is skipped and reported.
        """

        @field_validator("scan_interval", mode="before")
        @classmethod
        def _number_of_seconds(cls, value: object) -> object:
            """Older files give whole seconds, -1 for never."""
            if isinstance(value, int) and not isinstance(value, bool):
                return f"{value} seconds" if value > 0 else "disabled"
            return value

    def __init__(
        self, routes: RouteSet, default: Handler | None, find_offered: Callable[[str], Handler | None]
    ) -> None:
        """`find_offered` returns what the gateway serves at a path that no route with a condition takes."""
        self.routes = routes
        self._default = default
        self._find_offered = find_offered

    @classmethod
    def build(cls, config: Config, context: BuildContext) -> Self:
        """Load the routes; without `failOnRouteError` one that does not build is skipped and reported."""
        directory = context.instance.directory / (config.directory or Path("config/routes"))
        registry = context.registry
        routes = RouteSet(
            directory,
            partial(build_route, context),
            registry.published,
            all_or_nothing=config.fail_on_route_error,
        )
        registry.route_sets.append(routes)

        async def close() -> None:
            registry.route_sets.remove(routes)
            await routes.close()

        context.on_close(close)
        if directory in context.route_directories:
            raise context.error(
                "directory",
                "a router inside a route cannot read that route's directory",
                "name another 'directory'",
            )
        try:
            routes.scan()
        except ConfigurationError as error:
            raise context.error("directory", f"{directory}: {error.reason}", error.fix) from error
        if config.fail_on_route_error and routes.errors():
            raise ConfigurationErrors(routes.errors())
        router = cls(
            routes,
            context.refer_if_set(config.default_handler, Handler, "defaultHandler"),
            registry.published.find_offered,
        )
        if config.scan_interval:
            context.every(config.scan_interval, router.rescan)
            context.every(min(SWEEP_SECONDS, config.scan_interval), routes.sweep)
        return router

    def plan(self, head: Head) -> Plan:
        """Pass on to the first route that accepts the head."""
        return self._choose(head).while_(self.routes.lease)

    def _choose(self, head: Head) -> Plan:
        offered = self._find_offered(head.target.path)
        for route in self.routes.candidates(head):
            if route.accepts_everything and offered is not None:
                return offered.plan(head)
            if not route.depends_on_head_alone and head.exchange is None:
                return Plan.anew(head, self._choose)
            if route.goes_by_path or route.accepts(head):
                return route.plan(head)
        if offered is not None:
            return offered.plan(head)
        if self._default is not None:
            return self._default.plan(head)
        return Plan.answering(head, _refuse)

    async def rescan(self) -> None:
        """Bring the routes in line with their files; an unreadable directory leaves them as they are."""
        await self.routes.scan_in_slices()


def _refuse(exchange: Exchange) -> Response:
    path = exchange.reached.target.path
    log.info("no route accepts the request", path=path, transaction=exchange.transaction_id)
    return refuse(exchange, 404, "not_routed", "no route accepts it")
