"""The authority's endpoints; the one that is called most comes first."""

from deputize.authority.endpoint import Endpoint
from deputize.authority.endpoints import (
    activities,
    authorize,
    brand,
    callback,
    console,
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
from deputize.authority.my import ACCOUNT, MY, MY_SECTION

ENDPOINTS: tuple[Endpoint, ...] = (
    token.ENDPOINT,
    introspect.ENDPOINT,
    authorize.ENDPOINT,
    par.ENDPOINT,
    signon.ENDPOINT,
    callback.ENDPOINT,
    brand.ENDPOINT,
    revoke.ENDPOINT,
    userinfo.ENDPOINT,
    signoff.ENDPOINT,
    ACCOUNT,
    MY,
    MY_SECTION,
    console.ENDPOINT,
    register.REGISTER,
    register.MANAGE,
    activities.ENDPOINT,
    metadata.JWKS,
    metadata.METADATA,
)
