"""`deputize why`: decide a refused request again, step by step."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from deputize.audit.sinks.json_file import files_of
from deputize.authority.directory.service import open_directory
from deputize.authority.environment_file import DEFAULT_BASE_URL
from deputize.authority.why import (
    MappingSeen,
    WhyDecision,
    WhyQuestion,
    WhyStep,
    explain_decision,
    question_of,
)
from deputize.cli.administration import Operation, administer
from deputize.cli.options import DATA, ENVIRONMENT, audit_directory, is_address
from deputize.kernel import strict_json
from deputize.kernel.values import JsonObject

_MARKS: Final = {"held": "held    ", "failed": "REFUSED ", "note": "note    "}
_INDENT: Final = " " * len(_MARKS["held"])
_MAX_LINE: Final = 256 * 1024


@click.command("why")
@ENVIRONMENT
@DATA
@click.option("--record", "record_id", metavar="ID", help="Correlation ID of the refusal, or a record's id.")
@click.option("--agent", default="", help="Or ask yourself: the agent, by name or id,")
@click.option("--resource", default="", help="the resource, by name, id or audience,")
@click.option("--user", default="", help="the user, by name or id; without one a token of the agent's own,")
@click.option("--scope", default="", help="and scopes. Default: all that need not be asked for by name.")
@click.option("--exchange", "exchanges", is_flag=True, help="The agent exchanges tokens itself.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def why(  # noqa: PLR0913, PLR0917 - one parameter an option
    name: str,
    database_url: str,
    record_id: str | None,
    agent: str,
    resource: str,
    user: str,
    scope: str,
    *,
    exchanges: bool,
    as_json: bool,
) -> None:
    """Decide a refused request again, step by step.

    The settings of now count. Nothing is issued or changed. Ends with 1 where it was or would be refused.
    """
    if is_address(name):
        raise click.UsageError(
            "data and records are read where they are; elsewhere ask the console's page Why, or the API: "
            "POST /v1/environments/ID/why"
        )
    given = WhyQuestion(agent, resource, user, tuple(scope.split()), exchanges)
    file = audit_directory(database_url) / "authority.audit.json"

    async def work(operation: Operation) -> WhyDecision:
        _, row = await operation.read(name)
        asked = question_of(find_record(file, record_id)) if record_id else given
        if asked is None or not asked.is_complete:
            raise click.UsageError(
                "the record is of no refusal, and does not say which agent asked for what: give --agent and "
                "--resource"
                if record_id
                else "give --record, or --agent and --resource"
            )
        store, clock = operation.store, operation.clock
        directory = await open_directory(store.directory_rows, row.base_url or DEFAULT_BASE_URL, clock)
        environment = directory.current.environments.get(row.id)
        if environment is None:
            raise click.ClickException(f"{name} cannot be served: {'; '.join(directory.problems)}")
        return await explain_decision(environment, store, asked, clock.now())

    decision = administer(database_url, work)
    if as_json:
        click.echo(json.dumps(decision.json(), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(line for step in decision.steps for line in lines_of(step)))
        click.echo("\n".join(conclude(decision)))
    if not decision.permitted:
        raise click.exceptions.Exit(1)


def find_record(file: Path, record_id: str) -> JsonObject:
    """Find the last record with this correlation ID, in the file or in those that were set aside before it.

    Raises `click.ClickException`.
    """
    needle, found = record_id.encode(), b""
    try:
        for each in reversed(files_of(file)):
            with each.open("rb") as lines:
                while line := lines.readline(_MAX_LINE):
                    if needle in line:
                        found = line
            if found:
                break
        record = strict_json.loads(found) if found else None
    except (OSError, strict_json.JsonError) as error:
        raise click.ClickException(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(record, dict):
        raise click.ClickException(f"{file} has no record {record_id}")
    return record


def conclude(decision: WhyDecision) -> Iterator[str]:
    """Yield what comes of it."""
    if decision.recorded and decision.refused_by:
        yield f"it was refused: {decision.refused_by.symptom}"
        if decision.failed is None:
            yield "no setting of now refuses it: mended since, or due to what was presented"
    else:
        yield "it would be refused" if decision.failed else "it would be permitted"


def lines_of(step: WhyStep) -> Iterator[str]:
    """Yield a step as people read it."""
    yield f"{_MARKS[step.outcome]}{step.name}: {step.said}"
    if step.cause:
        yield f"{_INDENT}cause: {step.because}"
        for seen in step.mappings:
            yield from underline(seen)
        yield f"{_INDENT}fix:   {step.fix}"
        if step.cause.setting:
            of = f", of {step.setting.name}" if step.setting and step.setting.id else ""
            yield f"{_INDENT}where: {step.cause.setting.place}{of}"


def underline(seen: MappingSeen) -> Iterator[str]:
    """Yield a mapping with its false parts underlined, and what each of them was."""
    source = "".join(each if each.isprintable() else " " for each in seen.source)
    marked = {place for part in seen.false for place in range(part.start, part.end)}
    line = "".join("^" if place in marked else " " for place in range(len(source))).rstrip()
    prefix = f"{_INDENT}{seen.claim} = "
    yield f"{prefix}{source}"
    yield f"{' ' * len(prefix)}{line}"
    for part in seen.false:
        yield f"{_INDENT}- {part.sentence}"
