"""Policies: what decides about an operation of an agent by its arguments and circumstances.

`request.py` says what is decided about, and what a decision is; each engine is a file. Why:
docs/decisions/0032-policies.md.
"""

from deputize.gateway.loading.context import HeapType
from deputize.gateway.policies.mcp_tool_policies import McpToolPolicies

POLICIES: tuple[HeapType, ...] = (McpToolPolicies,)
