import pytest
import structlog


@pytest.fixture(autouse=True)
def _log_as_before(monkeypatch):
    """Commands configure the whole process's log; the one this runs in belongs to other tests as well."""
    before = structlog.get_config()
    for command in ("authority", "gateway"):
        monkeypatch.setattr(f"deputize.cli.{command}.configure_logging", lambda: None)
    yield
    structlog.configure(**before)
