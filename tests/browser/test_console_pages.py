"""Every page of the console, and those of people: for everybody, on any screen, without scripts."""

from itertools import pairwise
from pathlib import Path

import pytest

from support.authority import PASSWORD
from support.console_tour import sign_on, visit
from support.furnished_console import CALLS, furnished_console

pytestmark = pytest.mark.browser

axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed: make test-all")
AXE = (Path(axe.__file__).parent / "axe.min.js").read_text("utf-8")
RULES = """async () => {
    const found = await axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    const told = nodes => nodes.slice(0, 3).map(node => node.html.slice(0, 200));
    return found.violations.map(each => [each.id, ...told(each.nodes)]);
}"""
SCREENS = [(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")]
NUMBER = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter(each => each.checkVisibility({visibilityProperty: true}) && !each.disabled)
    .filter(each => each.type !== "hidden" && each.type !== "radio")
    .map((each, number) => each.dataset.number = String(number))"""
"""Numbers what can be pressed or typed into. Of radio buttons the tab key reaches one, arrows the others."""
FOCUSED = """() => {
    const at = document.activeElement, style = getComputedStyle(at);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return [at.dataset.number ?? "", ring, at.outerHTML.slice(0, 120)];
}"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def console(tmp_path_factory, serve):
    with serve(lambda url: furnished_console(tmp_path_factory.mktemp("console"), url)) as console:
        yield console


@pytest.fixture
def opened(chromium, request):
    """A browser, with scripts unless a test says otherwise."""
    context = chromium.new_context(locale="en-US", java_script_enabled=getattr(request, "param", True))
    yield context.new_page()
    context.close()


def examine(page, name):
    """Return what is wrong with a page on each screen."""
    found = []
    for width, scheme in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        if page.evaluate("typeof axe") == "undefined":
            page.evaluate(AXE)
        found += [f"{name} at {width} px, {scheme}: {each}" for each in page.evaluate(RULES)]
        if wide := page.evaluate(TOO_WIDE):
            found.append(f"{name} at {width} px: {wide} px too wide")
    headings = page.eval_on_selector_all("h1", "all => all.length")
    if headings != 1 or not page.title():
        found.append(f"{name}: {headings} headings of the first level, title {page.title()!r}")
    return found


def test_every_page_can_be_read_by_everybody(opened, console):
    sign_on(opened, console.authority.base_url, console.path)
    found = []
    for kind, _ in visit(opened, console):
        found += examine(opened, kind or "overview")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_table_of_records_fits_its_box(opened, console, width):
    opened.set_viewport_size({"width": width, "height": 900})
    sign_on(opened, console.authority.base_url, f"{console.path}/audit")
    assert opened.locator(".records tbody tr").count() >= len(CALLS)
    box = opened.locator(".scroll", has=opened.locator(".records"))
    assert box.evaluate("each => each.scrollWidth - each.clientWidth") == 0
    times = opened.locator(".records tbody time")
    lines = times.evaluate_all("all => all.map(each => each.getClientRects().length)")
    assert max(lines) <= (1 if width == 390 else 2)


@pytest.mark.parametrize("field", ["agent", "user"])
def test_a_search_for_somebody_unknown_says_so_and_shows_no_records(opened, console, field):
    sign_on(opened, console.authority.base_url, f"{console.path}/audit")
    assert opened.locator(".records tbody tr").count() >= len(CALLS)
    opened.fill(f"[name={field}]", "nobody")
    opened.press(f"[name={field}]", "Enter")
    opened.locator("#results [role=alert]", has_text=f"there is no {field} nobody").wait_for()
    assert opened.locator(".records tbody tr").count() == 0
    opened.fill(f"[name={field}]", "")
    opened.press(f"[name={field}]", "Enter")
    opened.locator(".records").wait_for()
    assert opened.locator(".records tbody tr").count() >= len(CALLS)
    assert opened.locator("#results [role=alert]").count() == 0


def test_a_form_with_something_missing_can_be_too(opened, console):
    sign_on(opened, console.authority.base_url, console.path)
    found = []
    for kind, address in [*visit(opened, console)]:
        if kind.rpartition("/")[2].startswith(("new", "add-", "import", "invite")):
            opened.goto(console.authority.base_url + address)
            if send := opened.query_selector("form.card .buttons button"):
                send.click()
            if opened.query_selector("[role=alert]"):
                found += examine(opened, f"{kind}, sent empty")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "username"),
    [("nothing/there", "administrator"), ("", "agent_owner"), ("", "nobody"), ("welcome/nothing", "")],
)
def test_a_page_without_a_menu_has_the_whole_width(opened, console, path, username):
    base_url, path = console.authority.base_url, f"/console/{path}".rstrip("/")
    opened.set_viewport_size({"width": 1280, "height": 900})
    if username:
        sign_on(opened, base_url, console.path, username)
    opened.goto(base_url + path)
    assert opened.query_selector(".menu") is None
    assert opened.locator("main").bounding_box()["width"] >= 1000


def test_all_buttons_of_a_heading_stand_at_its_end(opened, console):
    opened.set_viewport_size({"width": 1280, "height": 900})
    sign_on(opened, console.authority.base_url, f"{console.path}/environments")
    boxes = [each.bounding_box() for each in opened.locator("main > .heading > *").all()]
    assert len(boxes) > 2
    gaps = [after["x"] - before["x"] - before["width"] for before, after in pairwise(boxes)]
    assert max(gaps[1:]) < 20 < gaps[0]


PLACES = {
    "sign-on": "/console/{environment}",
    "an unknown page": "/console/{environment}/nothing",
    "the API's reference": "/v1/docs",
    "the agents of a user": "/{environment}/my",
}


@pytest.mark.parametrize("place", PLACES)
def test_pages_beside_the_console_can_be_read_too(opened, console, place):
    opened.goto(console.authority.base_url + PLACES[place].format(environment=console.environment))
    found = examine(opened, place)
    assert not found, "\n".join(found)


def test_the_pages_of_people_can_be_read_too(opened, console):
    base_url = console.authority.base_url
    opened.goto(f"{base_url}/{console.environment}/my")
    opened.fill("[name=username]", "demouser")
    opened.fill("[name=password]", PASSWORD)
    opened.click("main button")
    opened.wait_for_url("**/my")
    links = opened.eval_on_selector_all("a[href]", "all => all.map(each => each.href)")
    own = [each for each in dict.fromkeys(links) if f"/{console.environment}/my" in each and "#" not in each]
    assert own
    found = examine(opened, "my")
    for each in own:
        if opened.goto(each).header_value("content-type").startswith("text/html"):
            found += examine(opened, each)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("opened", [False], indirect=True)
def test_every_page_works_without_scripts(opened, console):
    sign_on(opened, console.authority.base_url, console.path)
    for kind, _ in visit(opened, console):
        assert opened.query_selector("main h1"), kind
        helped = opened.query_selector_all("[hx-get], [hx-post]")
        plain = [each for each in helped if each.evaluate("each => each.matches('a[href], form, form *')")]
        assert len(plain) == len(helped), f"{kind}: something can be had by a script only"


def test_whatever_can_be_pressed_is_reached_by_the_tab_key_and_seen(opened, console):
    sign_on(opened, console.authority.base_url, console.path)
    for kind, _ in visit(opened, console):
        waiting = set(opened.evaluate(NUMBER))
        reached, unseen = set(), []
        for _ in range(len(waiting) + 30):
            opened.keyboard.press("Tab")
            number, is_ringed, html = opened.evaluate(FOCUSED)
            reached.add(number)
            if number and not is_ringed:
                unseen.append(html)
        assert not waiting - reached, kind
        assert not unseen, f"{kind}: {unseen}"


@pytest.mark.parametrize("opened", [True, False], indirect=True)
def test_whoever_is_invited_chooses_a_password_and_is_in_the_console(opened, console, chromium):
    sign_on(opened, console.authority.base_url, f"{console.path}/administrators/invite")
    guest = f"guest {id(opened)}"
    opened.fill("[name=username]", guest)
    opened.check("[value=administrator]")
    opened.click("main form.card .buttons button")
    link = opened.text_content(".secret code")
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    page.goto(link)
    assert not page.is_editable("[name=username]")
    assert not examine(page, "the page behind an invitation")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.locator("main").bounding_box()["width"] >= 1000
    page.fill("[name=password]", PASSWORD)
    page.click("main form.card .buttons button")
    page.wait_for_url(f"**{console.path.rpartition('/')[0]}/*")
    assert page.text_content("h1").strip() == "Overview"
    page.goto(link)
    assert "no longer works" in page.text_content("h1")
    context.close()
