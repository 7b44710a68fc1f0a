import pytest

from deputize.oauth.client_names import shown_name, skeleton

TAKEN = {skeleton("MCP Tutorial")}


@pytest.mark.parametrize("name", ["Claude Code", "VS Code (1.99)", "Öffi & Söhne", "エージェント", "Агент"])
def test_plain_names_are_shown(name):
    assert shown_name(name, TAKEN) == name


def test_a_long_name_is_cut():
    assert shown_name("a" * 200, TAKEN) == "a" * 63 + "…"


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "   ",
        "…!?",
        "MCP Tutorial",
        "mcp-tutorial",
        "M C P  T u t o r i a l",
        "ΜСР Tutorial",
        "МСР Тutоriаl",
        "MCP Tutoria1",
        "MCP TutoriaI",
        "ＭＣＰ Ｔｕｔｏｒｉａｌ",
        "MCP\u200bTutorial",
        "abc\u202edcba",
        "abc\u2066def",
        "z" + "\u0301" * 20,
        "Bаnk of Example",
        "X” act for you? Trusted",
        "soft\u00adhyphen",
        "\ue000private",
        *(f"MCP Tutorial{blank}" for blank in ("\u115f", "\u3164", "\uffa0", "\u2800", "\ufe0f", "\u034f")),
        "MCP\U000e0100Tutorial",
        "MᴄP Tutorial",
        "ᴍᴄᴘ Tutoriɑl",
        "X〞 act for you? Trusted",
        "X❞ act for you? Trusted",
    ],
)
def test_what_could_pass_for_something_else_is_shown_to_nobody(name):
    assert shown_name(name, TAKEN) == ""


@pytest.mark.parametrize(("name", "taken"), [("Te5t 8ot", "Test Bot"), ("P4yr0ll", "Payroll")])
def test_digits_pass_for_the_letters_they_look_like(name, taken):
    assert shown_name(name, {skeleton(taken)}) == ""
