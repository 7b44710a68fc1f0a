"""What an environment file says about how pages look: whether everybody can read them."""

from deputize.authority.branding import Scheme, find_colour_flaw, find_logo_flaw
from deputize.authority.environment_file.outcome import Outcome
from deputize.authority.environment_file.problems import Problems


def check_branding(outcome: Outcome, problems: Problems) -> None:
    """Colours can be read where pages write in them, and the logo is the picture that it says."""
    branding = outcome.settings.branding
    colours: tuple[tuple[Scheme, str, str | None], ...] = (
        ("light", "colour", branding.colour),
        ("dark", "dark_colour", branding.dark_colour),
    )
    for scheme, member, colour in colours:
        if colour is not None and (flaw := find_colour_flaw(colour, scheme)):
            fix = f"choose a {'darker' if scheme == 'light' else 'lighter'} one"
            problems.add(f"/branding/{member}", flaw, fix)
    if branding.logo is not None and (flaw := find_logo_flaw(branding.logo)):
        problems.add("/branding/logo", flaw, "write data:image/png;base64,… of a PNG file")
