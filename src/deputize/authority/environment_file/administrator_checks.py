"""What an environment file says about administrators."""

from typing import Final

from deputize.authority.directory.objects import ADMINISTRATORS, UserObject
from deputize.authority.environment_file.outcome import Outcome
from deputize.authority.environment_file.problems import Problems
from deputize.oauth.records.store import User

LAST_ADMINISTRATOR: Final = (
    "nobody would be left who administers: this is the last enabled user with the role administrator",
    "give somebody else that role first",
)
"""What is wrong with a change after which there would be no administrator, and what to do."""


def check_administrators(outcome: Outcome, problems: Problems) -> None:
    """Roles are for users of the administrators' environment, and no other environment becomes that one."""
    before = outcome.existing.environment
    if before and before.name != outcome.row.name and ADMINISTRATORS in {before.name, outcome.row.name}:
        reason = f"{ADMINISTRATORS!r} is the environment whose users administer all others, for good"
        problems.add("/environment", reason, "choose another name")
    for index, (user, _) in enumerate(outcome.users):
        if user.roles and outcome.row.name != ADMINISTRATORS:
            reason = f"only users of the environment {ADMINISTRATORS!r} have roles"
            problems.add(f"/users/{index}/roles", reason, "leave them out")


def check_last_administrator(outcome: Outcome, problems: Problems) -> None:
    """Where somebody administers, somebody will: nobody else could give that role to anyone."""
    before, file = outcome.existing.users, outcome.file
    if outcome.row.name != ADMINISTRATORS or not any(map(administers, before)):
        return
    gone = outcome.removals | {user.id for _, user in outcome.users if user}
    is_pruned = file.prune and file.users is not None
    stay = any(administers(user) for user in before if not is_pruned and user.id not in gone)
    if stay or any(_will_administer(entry) for entry, _ in outcome.users):
        return
    lost = [index for index, (_, user) in enumerate(outcome.users) if user and administers(user)]
    for index in lost:
        member = "enabled" if "administrator" in outcome.users[index][0].roles else "roles"
        problems.add(f"/users/{index}/{member}", *LAST_ADMINISTRATOR)
    if not lost:
        problems.add("/users", *LAST_ADMINISTRATOR)


def administers(user: User) -> bool:
    """Whether the user can do everything: an enabled one of the administrators' environment, by role."""
    return user.enabled and "administrator" in user.roles.split()


def _will_administer(entry: UserObject) -> bool:
    return entry.enabled and "administrator" in entry.roles
