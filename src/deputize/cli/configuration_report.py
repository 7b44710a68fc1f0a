"""What is wrong with configuration files, as lines, as JSON and as SARIF 2.1.0."""

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from deputize.kernel.errors import ConfigurationError
from deputize.kernel.values import JsonObject

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES: Final = {
    "error": "Keeps a file from being served",
    "warning": "Works, but is probably not meant",
}


class Report(NamedTuple):
    """What was found, errors apart from warnings."""

    errors: Sequence[ConfigurationError]
    warnings: Sequence[ConfigurationError]

    def findings(self) -> Iterator[tuple[str, ConfigurationError]]:
        """Yield warnings, then errors, each with the word for it."""
        yield from (("warning", each) for each in self.warnings)
        yield from (("error", each) for each in self.errors)

    def lines(self) -> Iterator[str]:
        """Yield a line for each finding."""
        return (f"{level}: {each}" for level, each in self.findings())

    def json(self) -> str:
        """Return a JSON document: `valid`, and `findings` with level, place, reason and fix."""
        findings = [_describe(level, each) for level, each in self.findings()]
        return json.dumps({"valid": not self.errors, "findings": findings}, indent=2, ensure_ascii=False)

    def sarif(self) -> str:
        """Return a SARIF document, whose files are named from the current folder where they are below it."""
        rules = [{"id": level, "shortDescription": {"text": text}} for level, text in _RULES.items()]
        driver = {"name": "deputize gateway check", "version": version("deputize"), "rules": rules}
        results = [_result(level, each) for level, each in self.findings()]
        run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
        document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
        return json.dumps(document, indent=2, ensure_ascii=False)


def _describe(level: str, finding: ConfigurationError) -> JsonObject:
    position = finding.position
    return {
        "level": level,
        "file": position.file,
        "pointer": position.pointer,
        "line": position.line,
        "column": position.column,
        "reason": finding.reason,
        "fix": finding.fix or None,
    }


def _result(level: str, finding: ConfigurationError) -> dict[str, object]:
    position = finding.position
    text = f"{finding.reason} ({finding.fix})" if finding.fix else finding.reason
    place: dict[str, object] = {"artifactLocation": {"uri": _uri_of(position.file)}}
    if position.line is not None:
        place["region"] = {"startLine": position.line, "startColumn": position.column or 1}
    location: dict[str, object] = {"physicalLocation": place}
    if position.pointer:
        location["logicalLocations"] = [{"fullyQualifiedName": position.pointer}]
    return {"ruleId": level, "level": level, "message": {"text": text}, "locations": [location]}


def _uri_of(file: str) -> str:
    path, here = Path(file), Path.cwd()
    if path.is_relative_to(here):
        path = path.relative_to(here)
    return quote(path.as_posix()) if not path.is_absolute() else path.as_uri()
