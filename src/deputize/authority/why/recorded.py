"""What a record tells of a refusal: its cause, what was sent, and whose setting that is about."""

from deputize.authority.why.decision import SettingOf, WhyQuestion, WhyStep
from deputize.diagnosis.cause import PAGES, Cause
from deputize.diagnosis.refusals import find_cause
from deputize.oauth.grants.grant_type import grant_word
from deputize.oauth.records.directory import Agent, Environment, Resource
from deputize.oauth.records.store import User
from deputize.oauth.redirect_uris import tell_difference


def tell_recorded(environment: Environment, question: WhyQuestion, user: User | None) -> WhyStep:
    """Tell what was recorded, and what it stands for. Today's settings may decide otherwise."""
    cause = find_cause(question.reason, question.error, question.event)
    caller = environment.agents.get(question.agent) or environment.resources.get(question.agent)
    resource = find_resource(environment, question.resource) if question.resource else None
    values = {
        "agent": caller.name if caller else question.agent or "that asked",
        "audience": question.resource or "that was asked for",
        "client_id": question.agent or "that was sent",
        "environment": environment.name,
        "grant": grant_word(question.reason.rpartition("may not use ")[2]),
        "reason": question.reason,
        "resource": resource.name if resource else question.resource or "the resource",
        "scope": " ".join(question.scopes) or "that was asked for",
        "user": user.username if user else question.user or "the user",
        **redirect_values(caller if isinstance(caller, Agent) else None, question.redirect_uri),
    }
    setting = setting_of(cause, environment, caller, resource, user)
    return WhyStep("recorded", "note", question.reason, cause, values, setting)


def setting_of(
    cause: Cause,
    environment: Environment,
    caller: Agent | Resource | None = None,
    resource: Resource | None = None,
    user: User | None = None,
) -> SettingOf | None:
    """Whose setting a cause is about: of what is known, else of whatever is listed there."""
    if cause.setting is None or cause.setting.kind not in PAGES:
        return None
    kind, member = cause.setting
    if kind == "agent" and isinstance(caller, Resource):
        kind = "resource"
    known: tuple[str, str] | None = None
    if kind in {"agent", "resource"}:
        found = caller if kind == "agent" or isinstance(caller, Resource) else resource
        known = (found.id, found.name) if found else None
    elif kind == "user" and user:
        known = (user.id, user.username)
    elif kind == "environment":
        known = ("", environment.name)
    object_id, name = known or ("", PAGES[kind])
    return SettingOf(kind, object_id, name, member)


def redirect_values(agent: Agent | None, sent: str) -> dict[str, str]:
    """What is said of a redirect URI that was sent, beside those of the agent; `None`: it is not known."""
    known = agent.redirect_uris if agent else ()
    return {
        "redirect_uri": sent or "one that is not recorded",
        "registered": ", ".join(known) or ("none" if agent else "others"),
        "difference": (tell_difference(known, sent) if sent else "") or "Nothing is like it",
    }


def find_resource(environment: Environment, named: str) -> Resource | None:
    """Find a resource by its id, its name, or its audience."""
    resources = environment.resources
    found = resources.get(named) or next((each for each in resources.values() if each.name == named), None)
    return found or environment.resource_of_audience(named)
