"""The console by keyboard alone: no mouse, and the focus only where keys and pages take it."""

import pytest

from support.console_walk import (
    AdministratorAtKeyboard,
    become_administrator,
    begin_environment,
    set_up,
    stop_agent,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def administrator(page):
    return AdministratorAtKeyboard(page)


def test_the_use_case_is_set_up_and_an_agent_stopped_by_keyboard(empty, administrator, record_property):
    set_up(administrator, empty.stage)
    stop_agent(administrator)
    record_property("keys", administrator.cost["keys"])
    assert administrator.page.violations == []


def test_a_refused_form_has_the_focus_where_it_says_why(empty, administrator):
    become_administrator(administrator, empty.stage)
    begin_environment(administrator)
    administrator.menu("Applications", "Resources")
    administrator.click("Add Resource")
    administrator.press("Create")
    focused = administrator.page.locator(":focus")
    assert focused.get_attribute("role") == "alert"
    administrator.press_key("Tab")
    assert focused.inner_text() == "Resource name"
    administrator.press_key("Enter")
    assert focused.get_attribute("name") == "name"
