"""Which sessions of a result were measured on another machine than this one: asked where the result is read.

A result says so of the machine that computed it. It may have been copied since, there or back.
"""

from edgeproof.core.configuration import Json


def mark_foreign_sessions(result: Json, here: str | None) -> Json:
    """Return a result whose sessions say whether another machine than `here` (its id) measured them.

    This machine is none of the devices that are reached over ssh or by hand: what measured there said which board it
    was. Of a session whose machine is not known, the result's own word is kept.
    """
    if result["device"]["transport"] != "local":
        return result
    sessions: list[Json] = [
        session if (machine := session["machine"]["id"]) is None else session | {"elsewhere": machine != here}
        for session in result["sessions"]
    ]
    return {**result, "sessions": sessions, "elsewhere": any(session["elsewhere"] for session in sessions)}
