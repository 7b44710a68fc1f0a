"""What is asked by whoever points at something that happened."""

from dataclasses import replace

from deputize.authority.activities.reading import text_of
from deputize.authority.activities.search import Activity, ActivityQuery, ActivitySearch
from deputize.authority.why.decision import WhyQuestion, question_of
from deputize.oauth.lineage import parse_jti


async def ask_about(activities: ActivitySearch, activity: Activity) -> WhyQuestion | None:
    """Ask what an activity decided; `None` where no agent had a part in it, and nothing was refused.

    A call at a gateway rests on a token. So of a call it is asked whether that token would be issued again,
    and why the gateway refused it is what was recorded.
    """
    record = activity.read_record()
    if activity.source == "authority":
        return _with_signer(question_of(record), activity)
    reason = text_of(record.get("reason")) or ""
    if not activity.agent_ids or not activity.jti:
        return WhyQuestion("", "", reason=reason, event=activity.event) if reason else None
    query = ActivityQuery(jti=activity.jti, event="token issued", source="authority", limit=1)
    issued = (await activities.find(activity.environment_id, query)).items
    asked = question_of(issued[0].read_record()) if issued else None
    if asked is None:
        lineage = parse_jti(activity.jti)
        asked = WhyQuestion(
            agent=activity.agent_ids[0],
            resource=activity.resource_id or "",
            user=activity.user_id or "",
            exchanges=lineage is not None and len(lineage.segments) > 1,
            grant_id=activity.grant_id,
        )
    return _with_signer(replace(asked, reason=reason, error="", event=activity.event), activity)


def _with_signer(asked: WhyQuestion | None, activity: Activity) -> WhyQuestion | None:
    """Name the agent that a subject token was issued to, as the activity tells: the one before the last."""
    if asked is None or asked.signed_on_by or not asked.exchanges or not activity.agent_ids:
        return asked
    return replace(asked, signed_on_by=activity.agent_ids[:2][-1])
