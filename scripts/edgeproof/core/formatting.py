"""Numbers as text: as many digits as the interval supports, a narrow space before the unit, None for no value."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

SPACE = "\u202f"  # narrow, no-break: keeps a number and its unit on one line
MINUS = "\u2212"
DASH = "\u2013"
_UNITS = ((1e3, "s", 1e-3), (1.0, "ms", 1.0), (1e-3, "µs", 1e3), (0.0, "ns", 1e6))
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_DIGITS = 5


def choose_unit(values_ms: Sequence[float | None]) -> tuple[str, float]:
    """Return the (unit, factor from ms) in which to format values in ms as text, by their geometric mean."""
    values = [value for value in values_ms if value]
    typical = math.exp(sum(map(math.log, values)) / len(values)) if values else 1.0
    return next((unit, factor) for least, unit, factor in _UNITS if typical >= least)


def decimals_for(value: float, low: float | None = None, high: float | None = None, digits: int = 3) -> int:
    """Return how many decimals to format with: two digits of the interval's half width, or `digits` of the value."""
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    if low is None or high is None or high <= low:
        return max(0, digits - 1 - magnitude)
    supported = 1 - math.floor(math.log10((high - low) / 2))
    return max(0, min(supported, _MOST_DIGITS - 1 - magnitude))


def format_fixed(value: float, decimals: int) -> str:
    """Return a number as text with a fixed number of decimals, a true minus and thin spaces between thousands."""
    text = f"{abs(value):,.{decimals}f}".replace(",", SPACE)
    return (MINUS if value < 0 and any(digit in "123456789" for digit in text) else "") + text


def format_number(value: float | None, digits: int = 3) -> str | None:
    """Return a number as text with so many significant digits; very small and very large ones with a power of ten."""
    if value is None:
        return None
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.replace('-', MINUS)}{SPACE}×{SPACE}10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return format_fixed(value, decimals_for(value, digits=digits))


def format_estimate(
    value: float | None, low: float | None, high: float | None, factor: float = 1.0
) -> tuple[str | None, str | None]:
    """Return (value, interval) as text with as many digits as the interval supports; None for what is unknown."""
    if value is None:
        return None, None
    if low is None or high is None:
        return format_number(value * factor), None
    value, low, high = value * factor, low * factor, high * factor
    decimals = decimals_for(value, low, high)
    return format_fixed(value, decimals), format_range(low, high, decimals)


def format_range(low: float, high: float, decimals: int, sign: bool = False) -> str:
    """Return a range as text: "1.2 – 1.4", or with `sign` "-1.2 to +1.4"."""
    texts = [format_signed(item, decimals) if sign else format_fixed(item, decimals) for item in (low, high)]
    return f" {'to' if sign else DASH} ".join(texts)


def format_signed(value: float, decimals: int) -> str:
    """Return a number as text with its sign, + included."""
    text = format_fixed(value, decimals)
    return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def format_percent(share: float | None, digits: int = 3) -> str | None:
    """Return a share as text: a percentage."""
    return None if share is None else f"{format_number(100 * share, digits)}{SPACE}%"


def format_bytes(count: int | None) -> str | None:
    """Return a number of bytes as text with a decimal unit (kB = 1,000 bytes)."""
    if count is None:
        return None
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{format_number(count / size)}{SPACE}{unit}"
    return f"{count}{SPACE}B"


def format_quantity(count: int) -> str:
    """Return a large count as text with three digits and k, M or G."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{format_number(count / size)}{SPACE}{unit}"
    return str(count)


def format_limit(value: float, share: bool = False) -> str:
    """Return a number from the configuration as text with the digits given there; a share as a percentage."""
    return f"{100 * value:.6g}{SPACE}%" if share else f"{value:g}"


def format_count(count: int | None) -> str | None:
    """Return a whole number as text with thin spaces between thousands."""
    return None if count is None else format_fixed(count, 0)


def format_time(unix_s: float | None) -> str | None:
    """Return a moment as text, in UTC, to the minute."""
    return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def format_period(moments: Sequence[float]) -> str | None:
    """Return a period as text, first to last of the moments (Unix seconds), in UTC; None without a moment."""
    if not moments:
        return None
    first, last = (datetime.fromtimestamp(moment, UTC) for moment in (min(moments), max(moments)))
    if first.strftime("%F %H:%M") == last.strftime("%F %H:%M"):
        return f"{first:%Y-%m-%d %H:%M} UTC"
    same_day = first.date() == last.date()
    return f"{first:%Y-%m-%d %H:%M} {DASH} {last.strftime('%H:%M' if same_day else '%Y-%m-%d %H:%M')} UTC"


def shorten_digest(digest: str | None) -> str | None:
    """Return a digest as text for people: its first twelve digits, enough to recognise it."""
    return None if digest is None else digest[:12]


def plural(number: int, noun: str) -> str:
    """Format a count with its noun: "1 cell", "2 cells"; `noun` in the singular."""
    return f"{format_count(number)} {noun if number == 1 else noun + 's'}"


def first_up(text: str) -> str:
    """Format text as the beginning of a sentence: its first letter in upper case."""
    return text[:1].upper() + text[1:]


def plain(text: str) -> str:
    """Return formatted text with ordinary spaces and signs, for Markdown and terminals."""
    return text.replace(SPACE, " ").replace(MINUS, "-")


# Characters that a terminal obeys instead of showing them: control characters (line ends and tabs aside), and those
# that change the direction of the text around them, so that a name reads as another one.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def show_controls(text: str) -> str:
    """Return a text formatted for a terminal: characters that it would obey are visible, as `\\u001b`.

    What is printed may come from files of other people.
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
