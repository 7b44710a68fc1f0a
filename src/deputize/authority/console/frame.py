"""What is around every page: menus, environments, who is signed on, the reader's language and zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deputize.authority.console.moments import Moments, find_zone
from deputize.authority.console.rendering import render
from deputize.authority.console.section import MENUS, ConsoleSection
from deputize.authority.console.session import CONSOLE_PATH, Administrator, cookie_name
from deputize.authority.console.texts import choose_language
from deputize.authority.services import Services
from deputize.authority.signon.pages import Language
from deputize.oauth.consents import parse_accept_language
from deputize.oauth.records.directory import Environment

LANGUAGE_COOKIE = "deputize-console-language"
ZONE_COOKIE = "deputize-console-zone"


@dataclass(frozen=True, slots=True)
class PageFrame:
    """The frame of one request's page."""

    language: Language
    moments: Moments
    values: dict[str, Any]
    """What `layout.html` shows."""

    def show_problem(self, status: int, reason: str = "", detail: str = "") -> Response:
        """Show that there is nothing here, or why not; `reason` is a text `console.problem_REASON`.

        `detail` takes the place of the advice that goes with it.
        """
        text = self.language.text
        name = reason or ("missing" if status == 404 else "method" if status == 405 else "failed")
        values = {
            "title": text(f"console.problem_{name}"),
            "advice": detail or text(f"console.problem_{name}_advice"),
            "crumbs": (),
        }
        return render("problem.html", {**self.values, **values}, status)


def make_frame(
    services: Services,
    request: Request,
    administrator: Administrator | None,
    environment: Environment | None,
    section: ConsoleSection | None,
    sections: Sequence[ConsoleSection],
) -> PageFrame:
    """Make the frame of a page of `section` in `environment`; without an administrator it shows nothing."""
    cookies = request.cookies
    preferred = administrator.user.preferred_language if administrator else None
    browser = parse_accept_language(request.headers.get("accept-language"))
    language = choose_language((cookies.get(cookie_name(services, LANGUAGE_COOKIE)), preferred, *browser))
    moments = Moments(language, find_zone(cookies.get(cookie_name(services, ZONE_COOKIE), "")))
    environments = services.directory.current.environments.values() if administrator else ()
    values: dict[str, Any] = {
        "language": language,
        "moment": moments.moment,
        "administrator": administrator,
        "environment": environment,
        "environments": sorted(environments, key=lambda each: each.name),
        "home": f"{CONSOLE_PATH}/{environment.id}" if environment else CONSOLE_PATH,
        "menus": list_menus(administrator, sections) if administrator and environment else (),
        "section": section,
        "t": language.text,
        "has_text": language.texts.__contains__,
        "may_change": False,
        "flash": "",
        "next_step": None,
        "csrf": "",
    }
    return PageFrame(language, moments, values)


def list_menus(
    administrator: Administrator, sections: Sequence[ConsoleSection]
) -> Sequence[tuple[str, Sequence[ConsoleSection]]]:
    """List the menus, each with the sections in it that the administrator may see."""
    roles = administrator.operator.roles
    seen = [each for each in sections if not roles.isdisjoint(each.seen_by)]
    found = ((menu, [each for each in seen if each.menu == menu]) for menu in MENUS)
    return [(menu, inside) for menu, inside in found if inside]
