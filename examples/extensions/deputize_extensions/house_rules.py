"""A sign-on step: the user has to read the house rules each time."""

from deputize.authority.signon.pages import Problem
from deputize.authority.signon.step import Again, Done, SignOnStep, StepSettings


class Settings(StepSettings):
    """Written `house_rules: { rules: No smoking }` in an environment file."""

    rules: str
    """What the page shows."""


def is_due(step, situation):
    """Whether this user has not read them since the request began."""
    return f"rules-{situation.somebody.user.id}" not in situation.notes


def page_values(step, situation, again):
    """What `house_rules.html` shows."""
    return {"rules": step.settings["rules"]}


async def submit(step, situation, language, form, services):
    """Go on once the user says so."""
    if form.get("read") != "yes":
        return Again([Problem(language.text("house_rules.unread"))])
    services.record("house rules read", situation.environment.id, user_id=situation.somebody.user.id)
    return Done(note=f"rules-{situation.somebody.user.id}")


HOUSE_RULES = SignOnStep("HOUSE_RULES", "house_rules", __package__, is_due, page_values, submit, Settings)
