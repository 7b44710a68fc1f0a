"""What goes wrong between the agent and the servers it talks to."""


class AgentError(Exception):
    """The agent cannot go on; the message tells the person at the terminal what to do."""


class DiscoveryRefused(AgentError):
    """A server's metadata is missing, or says something that must not be trusted."""


class SignOnFailed(AgentError):
    """The user did not sign on, or the answer did not come from the authorization server that was asked."""


class TokenRefused(AgentError):
    """The authorization server issued no token."""

    def __init__(self, what: str, error: str, description: str) -> None:
        super().__init__(f"The authorization server refused {what}: {error}{f' ({description})' if description else ''}")
        self.error = error
        """The OAuth error code, for example `invalid_grant`."""
