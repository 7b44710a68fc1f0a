"""The routes of one directory, kept in step with its files while exchanges are being served."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from deputize.gateway.config.documents import read_content
from deputize.gateway.loading.deployment import (
    Deployment,
    PublishedEndpoint,
    PublishedEndpoints,
    publication_clash,
)
from deputize.gateway.loading.routes import Route
from deputize.http.exchange import Head
from deputize.http.plans import Lease
from deputize.kernel.bounded_memory import BoundedMemory
from deputize.kernel.errors import ConfigurationError, Position

log = structlog.get_logger()
SLICE_SECONDS = 0.0005
"""How long a scan in slices works before it lets others be served: they wait for it in addition."""
REMEMBERED_PATHS = 1024
BuildRoute = Callable[[bytes, Path, Deployment], Route]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A route that serves, and the text of the file it was built from."""

    route: Route
    text: bytes

    def differs(self, text: bytes) -> bool:
        """Whether building from `text` now could have another result."""
        return self.text != text or self.route.deployment.is_outdated()


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
        self.lease = Lease()
        """Holds while these routes serve."""
        self._by_path: BoundedMemory[str, tuple[Route, ...]] = BoundedMemory(REMEMBERED_PATHS)
        self._build = build
        self._published = published
        self._all_or_nothing = all_or_nothing
        self._deployed: Mapping[Path, Deployed] = {}
        self._errors: dict[Path, ConfigurationError] = {}
        self._retired: list[tuple[Deployment, Route | None]] = []
        self._endpoints: Mapping[str, PublishedEndpoint] = {}
        self._hiding: ConfigurationError | None = None
        """The warning about a route that takes every request from others."""
        self._scanning = asyncio.Lock()

    def errors(self) -> tuple[ConfigurationError, ...]:
        """What is wrong with the files as they stand."""
        return tuple(error for path in sorted(self._errors) for error in self._errors[path].errors)

    def warnings(self) -> Iterator[ConfigurationError]:
        """What works but is probably not meant, in the files of the routes that serve."""
        for route in self.routes:
            yield from route.deployment.warnings
        if self._hiding is not None:
            yield self._hiding

    def candidates(self, head: Head) -> tuple[Route, ...]:
        """Return the routes that may take requests with that path, in order.

        Those that go by the path alone do take them, the others are still to be asked: of a thousand routes
        that each have a path of their own, one is left.
        """
        path = head.target.path
        found = self._by_path.get(path)
        if found is None:
            left: list[Route] = []
            for route in self.routes:
                if not route.goes_by_path:
                    left.append(route)
                elif route.accepts(head):
                    left.append(route)
                    break
            found = self._by_path.remember(path, tuple(left))  # bounded, for paths come from clients
        return found

    def scan(self) -> None:
        """Read every file and bring the routes in line at once, as is done at the start.

        Raises `ConfigurationError` only when the directory cannot be read.

        Contents are compared, not times: mounted volumes swap files without moving their time forward. A
        broken file is tried again at each scan, because the cause may stand elsewhere (a secret that is
        missing); it is logged once.
        """
        for _ in self._scan():
            pass

    async def scan_in_slices(self) -> None:
        """Scan with others served in between: 1,000 new routes take seconds to build.

        One such scan at a time.
        """
        async with self._scanning:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in self._scan():
                if loop.time() - began > SLICE_SECONDS:
                    await asyncio.sleep(0)
                    began = loop.time()

    def _scan(self) -> Iterator[None]:
        """Read, build, settle who gets which name, switch, report; yields where others may be served."""
        errors: dict[Path, ConfigurationError] = {}
        try:
            # names, not paths: a thousand of those take 5 ms to make and sort, during which nobody is served
            names = sorted(name for name in os.listdir(self.directory) if name.endswith(".json"))  # noqa: PTH208 - see above
        except OSError as error:
            raise ConfigurationError(
                Position(str(self.directory)),
                f"the routes directory cannot be read: {error.strerror or error}",
                "create it, or name another as the router's 'directory'",
            ) from error
        texts: dict[Path, bytes] = {}
        for name in names:
            yield
            path = self.directory / name
            try:
                texts[path] = read_content(path)
            except ConfigurationError as error:
                errors[path] = error
        present = {path: each for path, each in self._deployed.items() if path in texts or path in errors}
        built: dict[Path, Deployed] = {}
        for path, text in texts.items():
            yield
            if path in present and not present[path].differs(text):
                continue
            deployment = Deployment()
            try:
                built[path] = Deployed(self._build(text, path, deployment), text)
            except ConfigurationError as error:
                errors[path] = error
            except Exception as error:  # noqa: BLE001 - what one file provokes must not touch the routes that serve
                reason = f"could not be built: {type(error).__name__}: {error}"
                errors[path] = ConfigurationError(Position(str(path)), reason)
            if path not in built:
                self._retired.append((deployment, None))
        if not built and self._deployed and len(present) == len(self._deployed):
            self._report(errors)
            return
        after = self._settle(present, built, errors)
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
        self._deployed = {}
        self._serve(())
        self._published.withdraw(self.directory, endpoints)
        retired, self._retired = self._retired, []
        for deployment, _ in retired:
            await deployment.close()

    def _serve(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._by_path.clear()
        self.lease.end()
        self.lease = Lease()

    def _settle(
        self,
        present: Mapping[Path, Deployed],
        built: Mapping[Path, Deployed],
        errors: dict[Path, ConfigurationError],
    ) -> Mapping[Path, Deployed]:
        """Return what is to serve, of those whose files are `present` and of those just `built`.

        New versions come first, so that two files may exchange their names. What clashes falls back to its
        old version.
        """
        claims = _Claims(self.directory, self._published)
        after = {path: each for path, each in present.items() if path not in built}
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
            if path in present and claims.clash(path, present[path].route) is None:
                after[path] = present[path]
                claims.add(path, present[path].route)
        return after

    def _switch(self, after: Mapping[Path, Deployed], built: Iterable[Deployed]) -> Iterator[None]:
        """Serve `after` from the next request on; retire what served before, and what was built in vain.

        When all was built in vain, plans go on: a clash is there at every scan until somebody ends it.
        """
        before, self._deployed = self._deployed, after
        ordered = sorted(after.items(), key=lambda item: item[1].route.identity.name)
        routes = tuple(each.route for _, each in ordered)
        if before and routes == self.routes:
            self._retire(built)
            return
        self._serve(routes)
        self._endpoints = {
            path: endpoint for route in self.routes for path, endpoint in route.deployment.endpoints.items()
        }
        offers = [offer for route in self.routes for offer in route.deployment.offers]
        self._published.replace(self.directory, self._endpoints, offers)
        known = {id(each.route) for each in before.values()}
        self._retire([*before.values(), *built])
        new = [(path, each.route) for path, each in ordered if id(each.route) not in known]
        for path in before.keys() - after.keys():
            log.info("route undeployed", route=before[path].route.identity.name, file=str(path))
        for path, route in new:
            route.deployment.start()
            log.info("route deployed", route=route.identity.name, id=route.identity.id, file=str(path))
            for each in route.deployment.warnings:
                _log_warning(each)
            yield
        hiding = _find_hiding(ordered)
        if hiding is not None and str(hiding) != str(self._hiding):
            _log_warning(hiding)
        self._hiding = hiding

    def _retire(self, former: Iterable[Deployed]) -> None:
        """Close those that do not serve as soon as no exchange uses them."""
        serving = {id(route) for route in self.routes}
        for each in former:
            if id(each.route) not in serving:
                each.route.deployment.end_jobs()
                self._retired.append((each.route.deployment, each.route))

    def _report(self, errors: dict[Path, ConfigurationError]) -> None:
        """Log what is wrong now and was not, or otherwise, at the last scan, and what is right again."""
        for path, error in errors.items():
            if str(error) == str(self._errors.get(path)):
                continue
            serves = path in self._deployed
            for each in error.errors:
                log.error(
                    "route not deployed",
                    file=str(path),
                    place=str(each.position),
                    reason=each.reason,
                    fix=each.fix,
                    consequence="the version deployed before keeps serving"
                    if serves
                    else "its callers get 404",
                )
        for path in self._errors.keys() - errors.keys():
            if path in self._deployed:
                log.info(
                    "the route serves again as its file says",
                    route=self._deployed[path].route.identity.name,
                    file=str(path),
                )
        self._errors = errors


def _log_warning(warning: ConfigurationError) -> None:
    log.warning("configuration warning", place=str(warning.position), reason=warning.reason, fix=warning.fix)


def _find_hiding(ordered: Sequence[tuple[Path, Deployed]]) -> ConfigurationError | None:
    """Return a warning about the first route that accepts everything, unless it is the last one."""
    for index, (path, each) in enumerate(ordered):
        if each.route.accepts_everything:
            hidden = ", ".join(repr(other.route.identity.name) for _, other in ordered[index + 1 :])
            reason = (
                f"without a condition it takes every request from the routes that sort after it: {hidden}"
            )
            fix = (
                """add "condition": "${find(request.uri.path, '^/PATH(/|$)')}", or a "name" that sorts last"""
            )
            return ConfigurationError(Position(str(path)), reason, fix) if hidden else None
    return None


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
            theirs = self._endpoints.get(endpoint_path) or self._published.find_other(
                self._directory, endpoint_path
            )
            if theirs is not None:
                return publication_clash(endpoint_path, endpoint.position, theirs.position)
        return None
