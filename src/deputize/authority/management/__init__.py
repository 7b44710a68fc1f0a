"""The management API: everything an administrator can set up and do, at `/v1`, for programs."""

from deputize.authority.asgi import Application
from deputize.authority.services import Services


def load_management(services: Services) -> Application:
    """Import what the API is made with, and make it."""
    from deputize.authority.management.app import make_application  # noqa: PLC0415 - half a second, for who asks

    return make_application(services)
