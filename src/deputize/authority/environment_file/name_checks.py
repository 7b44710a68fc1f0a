"""What an environment file calls things: people read names, and nobody is to be deceived by one."""

from collections.abc import Iterator

from deputize.authority.directory.objects import AgentObject, AgreementObject
from deputize.authority.environment_file.outcome import Listed, Outcome
from deputize.authority.environment_file.problems import Problems
from deputize.oauth.usernames import name_refusal, without_hidden


def check_shown_names(outcome: Outcome, problems: Problems) -> None:
    """Names have nothing that nobody sees or that turns text around, and no words that mix scripts.

    What is stored already keeps nobody from changing something else.
    """
    for pointer, name in _shown_names(outcome):
        if refusal := name_refusal(name):
            plain = without_hidden(name)
            is_plain = plain and name_refusal(plain) is None
            problems.add(
                pointer, f"{name[:128]!a} {refusal}", f"write {plain!r}" if is_plain else "use another name"
            )


def _shown_names(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield the names that the file gives, each with its place."""
    file, before = outcome.file, outcome.existing.environment
    if before is None or before.name != outcome.row.name:
        yield "/environment", outcome.row.name
    if "branding" in file.model_fields_set and outcome.settings.branding.name:
        yield "/branding/name", outcome.settings.branding.name
    if "identity_providers" in file.model_fields_set:
        for index, provider in enumerate(outcome.settings.identity_providers):
            yield f"/identity_providers/{index}/title", provider.title
    for each in outcome.listed:
        yield from _names_of(each)
    for index, (user, _) in enumerate(outcome.users):
        for member, name in (("given_name", user.given_name), ("family_name", user.family_name)):
            if name and member in user.model_fields_set:
                yield f"/users/{index}/{member}", name


def _names_of(listed: Listed) -> Iterator[tuple[str, str]]:
    entry, pointer = listed.entry, listed.pointer
    if listed.before is None or listed.before.name != entry.name:
        yield f"{pointer}/name", entry.name
    if isinstance(entry, AgentObject) and "names" in entry.model_fields_set:
        for language, name in entry.names.items():
            yield f"{pointer}/names/{language}", name
    if isinstance(entry, AgreementObject) and "languages" in entry.model_fields_set:
        for index, language in enumerate(entry.languages):
            yield f"{pointer}/languages/{index}/title", language.title
