"""How clients, and resource servers at introspection, prove who they are (RFC 6749 section 2.3.1)."""

from deputize.oauth.client_auth import client_secret_basic, client_secret_post
from deputize.oauth.client_auth.authentication import ClientAuthMethod

CLIENT_AUTH_METHODS: tuple[ClientAuthMethod, ...] = (
    client_secret_basic.METHOD,
    client_secret_post.METHOD,
)
