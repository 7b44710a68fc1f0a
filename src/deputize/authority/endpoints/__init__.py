"""The authority's endpoints; the one that is called most comes first."""

from deputize.authority.endpoint import Endpoint
from deputize.authority.endpoints import (
    account,
    authorize,
    introspect,
    metadata,
    par,
    register,
    revoke,
    signoff,
    signon,
    token,
    userinfo,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    token.ENDPOINT,
    introspect.ENDPOINT,
    authorize.ENDPOINT,
    par.ENDPOINT,
    signon.ENDPOINT,
    revoke.ENDPOINT,
    userinfo.ENDPOINT,
    signoff.ENDPOINT,
    account.ENDPOINT,
    register.REGISTER,
    register.MANAGE,
    metadata.JWKS,
    metadata.METADATA,
)
