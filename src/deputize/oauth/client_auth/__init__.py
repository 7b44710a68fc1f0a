"""How clients, and resource servers at introspection, prove who they are (RFC 6749 section 2.3.1)."""

from deputize.kernel.families import Family, instance_of
from deputize.oauth.client_auth import client_secret_basic, client_secret_post
from deputize.oauth.client_auth.authentication import ClientAuthMethod

CLIENT_AUTH_METHODS: Family[ClientAuthMethod] = Family(
    "deputize.client_authentication",
    (client_secret_basic.METHOD, client_secret_post.METHOD),
    lambda method: (method.name,),
    instance_of(ClientAuthMethod),
)
