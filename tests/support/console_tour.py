"""Walks a browser through every page of the console, by the links that pages have."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Final

from support.authority import PASSWORD
from support.console import Console
from support.furnished_console import paths_of_pages

_DOWNLOADS: Final = {"audit/export", "environment/export"}
"""What has a link and is no page."""
BY_FORMS: Final = {
    "": ("/search",),
    "users/{id}": ("/disable",),
    "resources/{id}": ("/secret", "/impersonation"),
    "agents/{id}": ("/secret",),
    "administrators": ("/invited",),
    "registration": ("/invited",),
    "environments": ("/imported",),
}
"""Where the forms of a kind of page lead, from its address: no link does."""
_EXAMPLES: Final = 4
"""How many pages of a kind are searched for links: one resource has attributes, another one scopes."""


def sign_on(page: Any, base_url: str, path: str, username: str = "administrator") -> None:
    """Sign an administrator on, as whoever opens a page of the console is asked to."""
    page.goto(base_url + path)
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"**{path}")


def visit(page: Any, console: Console) -> Iterator[tuple[str, str]]:
    """Show a page of each kind in a browser that signed on; yield its kind, as `users/{id}`, and address.

    A page that no link of others leads to fails: whoever looks for it would not find it either.
    """
    kinds = {kind: pattern for kind, pattern in paths_of_pages() if kind not in _DOWNLOADS}
    waiting, seen, shown = deque([console.path]), {console.path}, Counter[str]()
    while waiting and len(shown) < len(kinds):
        address = waiting.popleft()
        # `users/new` is no `users/{id}`
        fitting = [each for each, pattern in kinds.items() if pattern.fullmatch(address)]
        kind = min(fitting, key=lambda each: "{" in each, default=None)
        if kind is None or shown[kind] == _EXAMPLES:
            continue
        answer = page.goto(console.authority.base_url + address)
        assert answer.status in {200, 409}, f"{address}: {answer.status}"  # 409: in use
        links = page.eval_on_selector_all("a[href]", "all => all.map(each => new URL(each.href).pathname)")
        links += [address + way for way in BY_FORMS.get(kind, ())]
        shown[kind] += 1
        if shown[kind] == 1:
            yield kind, address
        for each in links:
            if each.startswith(console.path) and each not in seen:
                seen.add(each)
                waiting.append(each)
    assert not kinds.keys() - shown.keys(), f"no link leads to {sorted(kinds.keys() - shown.keys())}"
