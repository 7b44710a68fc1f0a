"""Instants as a reader sees them: in their language and time zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup

from deputize.authority.signon.pages import Language


def find_zone(name: str) -> tzinfo:
    """Return the time zone of that name (IANA), or UTC where there is none."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@dataclass(frozen=True, slots=True)
class Moments:
    """Writes instants for one reader."""

    language: Language
    zone: tzinfo

    def moment(self, instant: float | str | None) -> Markup:
        """Write seconds since the epoch, or an RFC 3339 instant, as a `time` element; `None` as "never"."""
        if instant is None:
            return Markup.escape(self.language.text("console.never"))
        return self._write(instant, "%H:%M")

    def second(self, instant: float | str) -> Markup:
        """Write the same with its seconds, where the order of what happened matters."""
        return self._write(instant, "%H:%M:%S")

    def _write(self, instant: float | str, time: str) -> Markup:
        then = self._read(instant)
        local = then.astimezone(self.zone)
        month = self.language.text("console.months").split()[local.month - 1]
        text = self.language.text(
            "console.moment", day=local.day, month=month, year=local.year, time=local.strftime(time)
        )
        machine = then.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        title = f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(machine, title, text)

    def day(self, instant: float | str) -> str:
        """Write the day of an instant, as text."""
        local = self._read(instant).astimezone(self.zone)
        month = self.language.text("console.months").split()[local.month - 1]
        return self.language.text("console.day", day=local.day, month=month, year=local.year)

    def local_input(self, instant: float | str | None) -> str:
        """Write an instant as the value of an input of the type `datetime-local`; empty for none."""
        if instant is None:
            return ""
        local = self._read(instant).astimezone(self.zone)
        if local.microsecond:
            return local.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return f"{local:%Y-%m-%dT%H:%M:%S}" if local.second else f"{local:%Y-%m-%dT%H:%M}"

    def instant_text(self, typed: str) -> str:
        """Return the RFC 3339 instant of what was put into such an input. Raises `ValueError`."""
        instant = self._read_local(typed).astimezone(UTC).replace(tzinfo=None)
        return f"{instant.isoformat(timespec='milliseconds').removesuffix('.000')}Z"

    def seconds(self, typed: str) -> float:
        """Return the same in seconds since the epoch. Raises `ValueError` and `OverflowError`."""
        return self._read_local(typed).timestamp()

    def _read_local(self, typed: str) -> datetime:
        local = datetime.fromisoformat(typed)
        return local if local.tzinfo else local.replace(tzinfo=self.zone)

    def _read(self, instant: float | str) -> datetime:
        if isinstance(instant, str):
            read = datetime.fromisoformat(instant)
            return read if read.tzinfo else read.replace(tzinfo=UTC)
        return datetime.fromtimestamp(instant, UTC)
