"""What a swap says of itself: `Engine.last_swap_reason`, the log of a replay, and the counters use the same words."""

from __future__ import annotations

RECOMMENDED = "SWAP_POLICY_RECOMMEND"
PENDING = "SWAP_PENDING"
COMMITTED = "SWAP_COMMITTED"
LOAD_FAILED = "SWAP_LOAD_FAILED"
SKIPPED_CAPABILITY = "SWAP_SKIPPED_CAPABILITY"
SKIPPED_RESIDENCY = "SWAP_SKIPPED_RESIDENCY"
SKIPPED_IO = "SWAP_SKIPPED_IO"
BACKOFF = "SWAP_BACKOFF"
QUARANTINED = "SWAP_QUARANTINED"
TIMED_OUT = "SWAP_TIMED_OUT"
CANCELLED = "SWAP_CANCELLED"
RECOVERED = "SWAP_RECOVERED"

# What keeps a variant from being loaded, as a verdict names it, and the code that stands for it.
BLOCKS = {
    "residency": SKIPPED_RESIDENCY,
    "io": SKIPPED_IO,
    "capability": SKIPPED_CAPABILITY,
    "backoff": BACKOFF,
    "quarantine": QUARANTINED,
}
_LONGEST_MESSAGE = 500


def compose_reason(code: str, variant: str, message: str = "") -> str:
    """Return a swap's code and variant as text, `CODE:variant`, and a message, if any, of at most 500 characters."""
    return f"{code}:{variant}:{message[:_LONGEST_MESSAGE]}" if message else f"{code}:{variant}"
