"""What a mistyped word was probably meant to be."""

import difflib
from collections.abc import Iterable


def suggest_words(word: str, known: Iterable[str]) -> str:
    """Return a suggestion for a mistyped `word`: `; did you mean 'x'?`.

    It has at most two known words that are close to it; an empty text without such.
    """
    close = difflib.get_close_matches(word, list(known), n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(repr(item) for item in close)}?" if close else ""
