"""What is looked at: one file a part of a call's way, one entry a check, in the order they are made."""

from deputize.diagnosis.checks import client, exchange, gateway, mcp, metadata, reach, sign_on
from deputize.diagnosis.checks.check import Check

CHECKS: tuple[Check, ...] = (
    *reach.CHECKS,
    *metadata.CHECKS,
    *gateway.CHECKS,
    *client.CHECKS,
    *sign_on.CHECKS,
    *exchange.CHECKS,
    *mcp.CHECKS,
    *sign_on.LAST_CHECKS,
)
