"""The example's own instance, which the demo serves, is for this machine until somebody asks for more."""

from pathlib import Path

import pytest

from deputize.gateway.config.file_settings import AdminSettings
from deputize.gateway.config.files import read_settings
from deputize.gateway.config.properties import Properties, outermost
from support.gateway import instance_for

ADMIN = Path(__file__).parents[3] / "examples" / "agent-delegation" / "gateway" / "config" / "admin.json"


def hosts_of(directory, environment):
    instance = instance_for(directory, environment=environment)
    settings = read_settings(
        AdminSettings, ADMIN.read_bytes(), str(ADMIN), instance, Properties({}, outermost(instance))
    ).settings
    return [settings.admin_connector.host, *(each.host for each in settings.connectors)]


@pytest.mark.parametrize(
    ("environment", "tls_host"), [({}, "localhost"), ({"GATEWAY_TLS_HOST": "0.0.0.0"}, "0.0.0.0")]
)
def test_the_examples_gateway_listens_on_this_machine_unless_asked(tmp_path, environment, tls_host):
    assert hosts_of(tmp_path, environment) == ["localhost", "localhost", tls_host]
