"""The routes of one directory, kept in step with its files while exchanges are being served."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from deputize.gateway import documents
from deputize.gateway.deployment import Deployment, Endpoint, already_published
from deputize.gateway.endpoints import PublishedEndpoints
from deputize.gateway.routes import Route
from deputize.kernel.errors import ConfigurationError, Position

log = structlog.get_logger()
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
    """What became of one file: `stale` means that an older version serves, `failed` that nothing does; `error` says why."""

    file: Path
    status: Literal["deployed", "stale", "failed"]
    route: Route | None
    error: ConfigurationError | None


class RouteSet:
    """Deploys, replaces and undeploys routes. `routes` is replaced as a whole, so that a request sees one consistent list."""

    def __init__(self, directory: Path, build: BuildRoute, published: PublishedEndpoints, *, all_or_nothing: bool = False) -> None:
        """`all_or_nothing`: when one file is broken, none of the changes found by that scan is made."""
        self.directory = directory
        self.routes: tuple[Route, ...] = ()
        self._build = build
        self._published = published
        self._all_or_nothing = all_or_nothing
        self._deployed: Mapping[Path, Deployed] = {}
        self._errors: dict[Path, ConfigurationError] = {}
        self._retired: list[tuple[Deployment, Route | None]] = []
        self._endpoints: Mapping[str, Endpoint] = {}

    def states(self) -> tuple[RouteState, ...]:
        """Every file and what became of it, in the order of the files' names."""
        return tuple(self._state(path) for path in sorted({*self._deployed, *self._errors}))

    def errors(self) -> tuple[ConfigurationError, ...]:
        """What is wrong with the files as they stand."""
        return tuple(error for path in sorted(self._errors) for error in self._errors[path].errors)

    def scan(self) -> None:
        """Read every file and bring the routes in line. Raises `ConfigurationError` only when the directory cannot be read.

        Contents are compared, not times: mounted volumes swap files without moving their time forward. A broken file is tried
        again at each scan, because the cause may stand elsewhere (a secret that is missing); it is logged once.
        """
        errors: dict[Path, ConfigurationError] = {}
        texts = self._texts(errors)
        standing = {path: each for path, each in self._deployed.items() if path in texts or path in errors}
        changed = {path: text for path, text in texts.items() if path not in standing or standing[path].differs(text)}
        built = {path: Deployed(route, text) for path, text in changed.items() if (route := self._attempt(path, text, errors))}
        after = self._merged(standing, built, errors)
        self._switch(self._deployed if self._all_or_nothing and errors else after, built.values())
        self._report(errors)

    async def sweep(self) -> None:
        """Close retired routes that no exchange uses any more."""
        idle = [deployment for deployment, route in self._retired if route is None or not route.active]
        self._retired = [(deployment, route) for deployment, route in self._retired if route is not None and route.active]
        for deployment in idle:
            await deployment.close()

    async def close(self) -> None:
        """Undeploy everything at once; the caller has ended the exchanges. Endpoints stay if a successor for the directory serves them."""
        endpoints = self._endpoints
        for each in self._deployed.values():
            each.route.deployment.end_jobs()
            self._retired.append((each.route.deployment, each.route))
        self.routes, self._deployed = (), {}
        self._published.withdraw(self.directory, endpoints)
        retired, self._retired = self._retired, []
        for deployment, _ in retired:
            await deployment.close()

    def _texts(self, errors: dict[Path, ConfigurationError]) -> dict[Path, bytes]:
        texts: dict[Path, bytes] = {}
        for path in self._files():
            try:
                texts[path] = documents.content(path)
            except ConfigurationError as error:
                errors[path] = error
        return texts

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self.directory.iterdir() if path.name.endswith(".json"))
        except OSError as error:
            reason = f"the routes directory cannot be read: {error.strerror or error}"
            raise ConfigurationError(
                Position(str(self.directory)), reason, "create it, or name another as the router's 'directory'"
            ) from error

    def _attempt(self, path: Path, text: bytes, errors: dict[Path, ConfigurationError]) -> Route | None:
        deployment = Deployment()
        try:
            return self._build(text, path, deployment)
        except ConfigurationError as error:
            errors[path] = error
        except Exception as error:  # noqa: BLE001 - what one file provokes must not touch the routes that serve
            errors[path] = ConfigurationError(Position(str(path)), f"could not be built: {type(error).__name__}: {error}")
        self._retired.append((deployment, None))
        return None

    def _merged(
        self, standing: Mapping[Path, Deployed], built: Mapping[Path, Deployed], errors: dict[Path, ConfigurationError]
    ) -> Mapping[Path, Deployed]:
        """New versions first, so that two files may exchange their names; what clashes falls back to its old version."""
        after = {path: each for path, each in standing.items() if path not in built}
        refused: list[Path] = []
        for path, each in built.items():
            clash = self._clash(each.route, path, after)
            if clash is None:
                after[path] = each
            else:
                errors[path] = clash
                refused.append(path)
        for path in refused:
            if path in standing and self._clash(standing[path].route, path, after) is None:
                after[path] = standing[path]
        return after

    def _clash(self, route: Route, path: Path, others: Mapping[Path, Deployed]) -> ConfigurationError | None:
        for other, each in others.items():
            if each.route.identity.name == route.identity.name or each.route.identity.id == route.identity.id:
                reason = f"a route named {route.identity.name!r} is already loaded from {other}"
                return ConfigurationError(Position(str(path), "/name"), reason, "give each route its own name and _id")
        published = [each.route.deployment.endpoints for each in others.values()]
        for endpoint_path, endpoint in route.deployment.endpoints.items():
            theirs = next((each[endpoint_path] for each in published if endpoint_path in each), None)
            theirs = theirs or self._published.elsewhere(self.directory, endpoint_path)
            if theirs is not None:
                return already_published(endpoint_path, endpoint.position, theirs.position)
        return None

    def _switch(self, after: Mapping[Path, Deployed], built: Iterable[Deployed]) -> None:
        """Serve `after` from the next request on; retire what served before, and what was built in vain."""
        before, self._deployed = self._deployed, after
        self.routes = tuple(sorted((each.route for each in after.values()), key=lambda route: route.identity.name))
        self._endpoints = {path: endpoint for route in self.routes for path, endpoint in route.deployment.endpoints.items()}
        self._published.replace(self.directory, self._endpoints)
        serving = {id(route) for route in self.routes}
        known = {id(each.route) for each in before.values()}
        for route in self.routes:
            if id(route) not in known:
                _log_deployed(route, next(path for path, each in after.items() if each.route is route))
                route.deployment.start()
        for each in (*before.values(), *built):
            if id(each.route) not in serving:
                each.route.deployment.end_jobs()
                self._retired.append((each.route.deployment, each.route))
        for path in before.keys() - after.keys():
            log.info("route undeployed", route=before[path].route.identity.name, file=str(path))

    def _report(self, errors: dict[Path, ConfigurationError]) -> None:
        for path, error in errors.items():
            if str(error) != str(self._errors.get(path)):
                _log_failed(path, error, self._deployed.get(path))
        self._errors = errors

    def _state(self, path: Path) -> RouteState:
        deployed, error = self._deployed.get(path), self._errors.get(path)
        status = "deployed" if error is None else "stale" if deployed else "failed"
        return RouteState(path, status, deployed.route if deployed else None, error)


def _log_deployed(route: Route, path: Path) -> None:
    log.info("route deployed", route=route.identity.name, id=route.identity.id, file=str(path))
    for warning in route.deployment.warnings:
        log.warning("configuration warning", place=str(warning.position), reason=warning.reason, fix=warning.fix)


def _log_failed(path: Path, error: ConfigurationError, serving: Deployed | None) -> None:
    consequence = "the version deployed before keeps serving" if serving else "its callers get 404"
    for each in error.errors:
        log.error("route not deployed", file=str(path), place=str(each.position), reason=each.reason, fix=each.fix, consequence=consequence)
