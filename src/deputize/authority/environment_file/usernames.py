"""Names of users: no two that a person could take for each other, and none that is the id of something."""

from collections.abc import Mapping

from deputize.authority.environment_file.entries import EnvironmentFile
from deputize.authority.environment_file.existing import Existing
from deputize.authority.environment_file.problems import Problems
from deputize.authority.environment_file.references import entries
from deputize.oauth.usernames import comparison_form, username_refusal

_FIX = "use another name"


def check_usernames(file: EnvironmentFile, existing: Existing, problems: Problems) -> None:
    """Add every name that must not be taken."""
    ids = {comparison_form(each): what for each, what in _ids(file, existing).items()}
    kept = _kept(file, existing)
    owners = dict(kept)
    for index, user in enumerate(file.users or ()):
        pointer, form = f"/users/{index}/username", comparison_form(user.username)
        if refusal := username_refusal(user.username):
            problems.add(pointer, f"{user.username[:128]!a} {refusal}", _FIX)
        elif form in ids:
            problems.add(pointer, f"{user.username!r} is the id of {ids[form]}, and tokens name both", _FIX)
        elif owners.get(form, user.username) != user.username:
            problems.add(
                pointer, f"{user.username!r} differs from the user {owners[form]!r} in case only", _FIX
            )
        owners.setdefault(form, user.username)
    for kind, member, listed in entries(file):
        for index, entry in enumerate(listed or ()):
            if entry.id is not None and (name := kept.get(comparison_form(entry.id))):
                problems.add(
                    f"/{member}/{index}/id",
                    f"the {kind} would have the name of the user {name!r} as its id",
                    "use another id",
                )


def _kept(file: EnvironmentFile, existing: Existing) -> dict[str, str]:
    """The names of users that stay as they are, by what others must not share."""
    if file.users is not None and file.prune:
        return {}
    named = {
        found.id for entry in file.users or () if (found := existing.find_user(entry.id, entry.username))
    }
    return {comparison_form(user.username): user.username for user in existing.users if user.id not in named}


def _ids(file: EnvironmentFile, existing: Existing) -> Mapping[str, str]:
    given = [
        (entry.id, f"the {kind} {entry.name!r}")
        for kind, _, listed in entries(file)
        for entry in listed or ()
    ]
    return {**existing.taken_ids, **{each: what for each, what in given if each is not None}}
