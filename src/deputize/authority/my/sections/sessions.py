"""The sessions section: in which browsers a person is signed on, which agents rest on that, and its end."""

from collections.abc import Mapping

from deputize.authority.my.section import Section, Visit
from deputize.authority.my.sections.agents import format_day
from deputize.authority.signon.disclosure import agent_title
from deputize.http.messages import Response


async def show(visit: Visit) -> Response:
    """Show the person's sessions, this browser's marked, with the agents whose access rests on each."""
    call, agents = visit.call, visit.call.environment.agents
    sessions = await call.services.store.sessions.sessions_of_user(visit.signed_on.user, call.now)
    listed = [
        {
            "id": session.id,
            "since": format_day(session.created_at),
            "last_used": format_day(session.last_used_at),
            "is_this": session.id == visit.signed_on.session.id,
            "agents": [agent_title(agents[each], visit.languages) for each in resting if each in agents],
        }
        for session, resting in sessions.items()
    ]
    return visit.show({"sessions": listed, "has_others": any(not each["is_this"] for each in listed)})


async def end(visit: Visit, form: Mapping[str, str]) -> Response:
    """End the session that the form names among the person's own, or all but this browser's."""
    call, this = visit.call, visit.signed_on.session.id
    sessions = await call.services.store.sessions.sessions_of_user(visit.signed_on.user, call.now)
    wanted = form.get("session", "")
    for session in sessions:
        if session.id != this and wanted in {"others", session.id}:
            await call.services.sign_off(session, call.now)
    return visit.done("ended")


SESSIONS = Section("sessions", "deputize.authority.my.sections", show, end)
