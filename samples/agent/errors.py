"""Errors between the agent and the servers it talks to."""


class AgentError(Exception):
    """The agent cannot go on; the message tells the person at the terminal what to do."""


class DiscoveryRefused(AgentError):
    """A server's metadata is missing, or says something that must not be trusted."""


class SignOnFailed(AgentError):
    """The user did not sign on, or the answer did not come from the authorization server that was asked."""


_ADVICE = {
    "invalid_client": "Check that AGENT_SECRET is the secret of the agent that --client-id names.",
    "invalid_grant": "Sign on again; the authority's log says why, under the id above.",
}
"""What to do about the usual refusals."""


class TokenRefused(AgentError):
    """The authorization server issued no token."""

    def __init__(self, what: str, error: str, description: str) -> None:
        detail = f" ({description})" if description else ""
        super().__init__(
            f"The authorization server refused {what}: {error}{detail}. {_ADVICE.get(error, '')}".rstrip()
        )
        self.error = error
        """The OAuth error code, for example `invalid_grant`."""
