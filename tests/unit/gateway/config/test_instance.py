from deputize.gateway.config.instance import load_bindings
from support.gateway import instance_for


def test_load_bindings_hold_no_request():
    assert "request" not in load_bindings(instance_for(), {})
