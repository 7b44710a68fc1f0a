"""The routes of one directory, kept in step with its files while exchanges are being served."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from deputize.gateway.config.documents import read_content
from deputize.gateway.loading.deployment import (
    Deployment,
    PublishedEndpoint,
    PublishedEndpoints,
    already_published,
)
from deputize.gateway.loading.routes import Route
from deputize.kernel.errors import ConfigurationError, Position

log = structlog.get_logger()
SLICE_SECONDS = 0.002
"""How long a scan in slices works before it lets others be served."""
BuildRoute = Callable[[bytes, Path, Deployment], Route]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A route that serves, and the text of the file it was built from."""

    route: Route
    text: bytes

    def differs(self, text: bytes) -> bool:
        """Whether building from `text` now could have another result."""
        return self.text != text or self.route.deployment.is_outdated()


@dataclass(frozen=True, slots=True)
class RouteState:
    """What became of one file: `stale` means that an older version serves, `failed` that nothing does.

    `error` says why.
    """

    file: Path
    status: Literal["deployed", "stale", "failed"]
    route: Route | None
    error: ConfigurationError | None


class RouteSet:
    """Deploys, replaces and undeploys routes.

    `routes` is replaced as a whole, so that a request sees one consistent list.
    """

    def __init__(
        self,
        directory: Path,
        build: BuildRoute,
        published: PublishedEndpoints,
        *,
        all_or_nothing: bool = False,
    ) -> None:
        """`all_or_nothing`: when one file is broken, none of the changes found by that scan is made."""
        self.directory = directory
        self.routes: tuple[Route, ...] = ()
        self._build = build
        self._published = published
        self._all_or_nothing = all_or_nothing
        self._deployed: Mapping[Path, Deployed] = {}
        self._errors: dict[Path, ConfigurationError] = {}
        self._retired: list[tuple[Deployment, Route | None]] = []
        self._endpoints: Mapping[str, PublishedEndpoint] = {}
        self._scanning = asyncio.Lock()

    def states(self) -> tuple[RouteState, ...]:
        """Every file and what became of it, in the order of the files' names."""
        return tuple(self._state(path) for path in sorted({*self._deployed, *self._errors}))

    def errors(self) -> tuple[ConfigurationError, ...]:
        """What is wrong with the files as they stand."""
        return tuple(error for path in sorted(self._errors) for error in self._errors[path].errors)

    def warnings(self) -> Iterator[ConfigurationError]:
        """What works but is probably not meant, in the files of the routes that serve."""
        for route in self.routes:
            yield from route.deployment.warnings

    def scan(self) -> None:
        """Read every file and bring the routes in line at once, as is done at the start.

        Raises `ConfigurationError` only when the directory cannot be read.

        Contents are compared, not times: mounted volumes swap files without moving their time forward. A
        broken file is tried again at each scan, because the cause may stand elsewhere (a secret that is
        missing); it is logged once.
        """
        for _ in self._steps():
            pass

    async def scan_in_slices(self) -> None:
        """As `scan`, with others served in between: 1,000 new routes take seconds to build.

        One such scan at a time.
        """
        async with self._scanning:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in self._steps():
                if loop.time() - began > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    began = loop.time()

    def _steps(self) -> Iterator[None]:
        errors: dict[Path, ConfigurationError] = {}
        texts: dict[Path, bytes] = {}
        built: dict[Path, Deployed] = {}
        for path in self._files():
            yield
            try:
                texts[path] = read_content(path)
            except ConfigurationError as error:
                errors[path] = error
        standing = {path: each for path, each in self._deployed.items() if path in texts or path in errors}
        for path, text in texts.items():
            yield
            if path not in standing or standing[path].differs(text):
                route = self._attempt(path, text, errors)
                if route is not None:
                    built[path] = Deployed(route, text)
        after = self._merged(standing, built, errors)
        yield
        yield from self._switch(self._deployed if self._all_or_nothing and errors else after, built.values())
        self._report(errors)

    async def sweep(self) -> None:
        """Close retired routes that no exchange uses any more."""
        idle = [deployment for deployment, route in self._retired if route is None or not route.active]
        self._retired = [
            (deployment, route) for deployment, route in self._retired if route is not None and route.active
        ]
        for deployment in idle:
            await deployment.close()

    async def close(self) -> None:
        """Undeploy everything at once; the caller has ended the exchanges.

        Endpoints stay if a successor for the directory serves them.
        """
        endpoints = self._endpoints
        for each in self._deployed.values():
            each.route.deployment.end_jobs()
            self._retired.append((each.route.deployment, each.route))
        self.routes, self._deployed = (), {}
        self._published.withdraw(self.directory, endpoints)
        retired, self._retired = self._retired, []
        for deployment, _ in retired:
            await deployment.close()

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self.directory.iterdir() if path.name.endswith(".json"))
        except OSError as error:
            reason = f"the routes directory cannot be read: {error.strerror or error}"
            raise ConfigurationError(
                Position(str(self.directory)),
                reason,
                "create it, or name another as the router's 'directory'",
            ) from error

    def _attempt(self, path: Path, text: bytes, errors: dict[Path, ConfigurationError]) -> Route | None:
        deployment = Deployment()
        try:
            return self._build(text, path, deployment)
        except ConfigurationError as error:
            errors[path] = error
        except Exception as error:  # noqa: BLE001 - what one file provokes must not touch the routes that serve
            errors[path] = ConfigurationError(
                Position(str(path)), f"could not be built: {type(error).__name__}: {error}"
            )
        self._retired.append((deployment, None))
        return None

    def _merged(
        self,
        standing: Mapping[Path, Deployed],
        built: Mapping[Path, Deployed],
        errors: dict[Path, ConfigurationError],
    ) -> Mapping[Path, Deployed]:
        """New versions first, so that two files may exchange their names.

        What clashes falls back to its old version.
        """
        claims = _Claims(self.directory, self._published)
        after = {path: each for path, each in standing.items() if path not in built}
        for path, each in after.items():
            claims.add(path, each.route)
        refused: list[Path] = []
        for path, each in built.items():
            clash = claims.clash(path, each.route)
            if clash is None:
                after[path] = each
                claims.add(path, each.route)
            else:
                errors[path] = clash
                refused.append(path)
        for path in refused:
            if path in standing and claims.clash(path, standing[path].route) is None:
                after[path] = standing[path]
                claims.add(path, standing[path].route)
        return after

    def _switch(self, after: Mapping[Path, Deployed], built: Iterable[Deployed]) -> Iterator[None]:
        """Serve `after` from the next request on; retire what served before, and what was built in vain."""
        before, self._deployed = self._deployed, after
        ordered = sorted(after.items(), key=lambda item: item[1].route.identity.name)
        self.routes = tuple(each.route for _, each in ordered)
        self._endpoints = {
            path: endpoint for route in self.routes for path, endpoint in route.deployment.endpoints.items()
        }
        self._published.replace(self.directory, self._endpoints)
        serving = {id(route) for route in self.routes}
        known = {id(each.route) for each in before.values()}
        for each in (*before.values(), *built):
            if id(each.route) not in serving:
                each.route.deployment.end_jobs()
                self._retired.append((each.route.deployment, each.route))
        new = [(path, each.route) for path, each in ordered if id(each.route) not in known]
        for path in before.keys() - after.keys():
            log.info("route undeployed", route=before[path].route.identity.name, file=str(path))
        for path, route in new:
            route.deployment.start()
            _log_deployed(route, path)
            yield

    def _report(self, errors: dict[Path, ConfigurationError]) -> None:
        for path, error in errors.items():
            if str(error) != str(self._errors.get(path)):
                _log_failed(path, error, self._deployed.get(path))
        for path in self._errors.keys() - errors.keys():
            if path in self._deployed:
                log.info(
                    "the route serves again as its file says",
                    route=self._deployed[path].route.identity.name,
                    file=str(path),
                )
        self._errors = errors

    def _state(self, path: Path) -> RouteState:
        deployed, error = self._deployed.get(path), self._errors.get(path)
        status = "deployed" if error is None else "stale" if deployed else "failed"
        return RouteState(path, status, deployed.route if deployed else None, error)


class _Claims:
    """The names, ids and paths that routes have taken."""

    def __init__(self, directory: Path, published: PublishedEndpoints) -> None:
        self._directory = directory
        self._published = published
        self._names: dict[str, Path] = {}
        self._ids: dict[str, Path] = {}
        self._endpoints: dict[str, PublishedEndpoint] = {}

    def add(self, path: Path, route: Route) -> None:
        self._names[route.identity.name] = self._ids[route.identity.id] = path
        self._endpoints.update(route.deployment.endpoints)

    def clash(self, path: Path, route: Route) -> ConfigurationError | None:
        other = self._names.get(route.identity.name) or self._ids.get(route.identity.id)
        if other is not None:
            reason = f"a route named {route.identity.name!r} is already loaded from {other}"
            return ConfigurationError(
                Position(str(path), "/name"), reason, "give each route its own name and _id"
            )
        for endpoint_path, endpoint in route.deployment.endpoints.items():
            theirs = self._endpoints.get(endpoint_path) or self._published.elsewhere(
                self._directory, endpoint_path
            )
            if theirs is not None:
                return already_published(endpoint_path, endpoint.position, theirs.position)
        return None


def _log_deployed(route: Route, path: Path) -> None:
    log.info("route deployed", route=route.identity.name, id=route.identity.id, file=str(path))
    for warning in route.deployment.warnings:
        log.warning(
            "configuration warning", place=str(warning.position), reason=warning.reason, fix=warning.fix
        )


def _log_failed(path: Path, error: ConfigurationError, serving: Deployed | None) -> None:
    consequence = "the version deployed before keeps serving" if serving else "its callers get 404"
    for each in error.errors:
        log.error(
            "route not deployed",
            file=str(path),
            place=str(each.position),
            reason=each.reason,
            fix=each.fix,
            consequence=consequence,
        )
