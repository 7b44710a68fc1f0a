"""Documentation that leads nowhere is worse than none."""

import os
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "bench" / "README.md",
        ROOT / "interop" / "README.md",
        ROOT / "samples" / "README.md",
    ]
)
TEXTS = {".md", ".toml", ".txt", ".json", ".py", ".mjs", ".yaml", ""}
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def test_there_are_pages():
    assert len(PAGES) > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    dead = [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert dead == []


def test_every_decision_is_listed():
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    assert [
        page.name for page in sorted((ROOT / "docs" / "decisions").glob("0*.md")) if page.name not in listed
    ] == []


def test_no_page_or_file_names_a_package_registry():
    hosts = re.compile(
        "|".join(
            ("pypi\\." + "org", "pythonhosted\\." + "org", "registry\\.npmjs", "deb\\.debian\\." + "org")
        )
    )
    named: list[Path] = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = set(inner) - {".venv", ".git", "build", "var", "node_modules", "__pycache__"}
        texts = (path for path in map(Path(folder).joinpath, names) if path.suffix in TEXTS)
        named.extend(path for path in texts if hosts.search(path.read_text("utf-8", "ignore")))
    assert named == []


MEASURED = re.compile(
    r"\d (?:µs|ms|MiB of memory)|(?<!below \d{2})(?<=\d) %|\d ?(?:calls|requests) a second"
    r"|\b(?:half|third|quarter|tenth)\s+(?:of\s+)?(?:as|the\s+time|a\s+(?:milli|micro)?second|less)\b"
)
"""What a run measured: such figures stand on generated pages, where each run replaces them."""


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "docs/decisions", "docs/explanation"])
def test_what_was_measured_is_only_on_generated_pages(page):
    pages = [ROOT / page] if page.endswith(".md") else sorted((ROOT / page).glob("*.md"))
    typed = {
        path.name: found
        for path in pages
        if path.name != "performance.md" and (found := MEASURED.findall(path.read_text("utf-8")))
    }
    assert typed == {}


@pytest.mark.parametrize(
    "text",
    [
        "takes 34 µs with",
        "2 ms instead",
        "27 % of all",
        "20 calls a second",
        "a quarter of the time",
        "a tenth of a\n  millisecond",
    ],
)
def test_figures_of_measurements_are_found(text):
    assert MEASURED.search(text)


SOURCE_PATH = re.compile(r"`((?:[a-z0-9_]+/)+(?:[a-z0-9_]+\.py)?)`")
"""A folder or a file of the source, as pages write it: from the package down."""


@pytest.mark.parametrize("page", ["docs/explanation/architecture.md", "CONTRIBUTING.md"])
def test_the_files_that_lead_newcomers_exist(page):
    source = ROOT / "src" / "deputize"
    inner = ("", "gateway", "authority", "authority/signon", "http")
    roots = (ROOT, *(source / name for name in inner))
    told = [
        path
        for path in SOURCE_PATH.findall((ROOT / page).read_text("utf-8"))
        if path.partition("/")[0] != "deputize"
    ]
    assert len(told) > 5
    assert [path for path in told if not any((root / path).exists() for root in roots)] == []


GUIDES = ["extend.md", "extend-the-gateway.md", "add-a-sign-on-step.md"]
LISTING = re.compile(r"^ *```(?:python|toml|json|html|yaml)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("guide", GUIDES)
def test_guides_list_what_the_example_package_holds(guide):
    """And that is installed beside the real programs by other tests."""
    files = [path for path in (ROOT / "examples" / "extensions").rglob("*") if path.is_file()]
    held = [
        path.read_text("utf-8")
        for path in files
        if path.suffix in {".py", ".toml", ".json", ".html", ".yaml"}
    ]
    found = LISTING.findall((ROOT / "docs" / "howto" / guide).read_text("utf-8"))
    listings = [textwrap.dedent(listing) for listing in found]
    assert len(listings) > 1
    assert [listing for listing in listings if not any(listing in text for text in held)] == []
