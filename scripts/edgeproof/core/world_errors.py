"""Errors of the machine and not of ours: one line that says what is the matter, with which file, and what helps."""

import errno
import os
import re

# What helps, by error number. An OSError of another kind is a bug of ours and keeps its traceback.
_REMEDIES = {
    errno.ENOSPC: "free some space and run again",
    errno.EDQUOT: "free some space within your quota and run again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f unlimited) and run again",
    errno.EROFS: "mount it so that it can be written, or work in a copy elsewhere",
    errno.EACCES: 'make it yours (sudo chown -R "$USER" FOLDER), or work in a copy of your own',
    errno.EPERM: 'make it yours (sudo chown -R "$USER" FOLDER), or work in a copy of your own',
    errno.EMFILE: "raise the limit on open files (ulimit -n 4096) and run again",
    errno.ENFILE: "the machine has too many open files; end other programs and run again",
    errno.EIO: "the disk or the network behind it fails; see dmesg",
    errno.ESTALE: "the network share was mounted anew; change into the folder again and run again",
}
# numpy's own words when a write ends early; it names no error number.
_SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written$")


def explain_unreadable(error: OSError | ValueError) -> str:
    """Return in plain words the machine's error for which a file, named by the message before, cannot be read."""
    if not isinstance(error, OSError):
        return f"cannot be read ({error})"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "there is no such file"
    if error.errno == errno.EISDIR:
        return "is a folder, and a file is needed"
    return f"cannot be read ({error.strerror or error})"


def describe_world_error(error: OSError) -> str | None:
    """Return one line on an error of the machine: file, reason, remedy; None for any other error."""
    number = errno.ENOSPC if error.errno is None and _SHORT_WRITE.match(str(error)) else error.errno
    if number not in _REMEDIES:
        return None
    name = error.filename.decode(errors="replace") if isinstance(error.filename, bytes) else error.filename
    where = f"{name}: " if name else ""
    return f"{where}{os.strerror(number)}; {_REMEDIES[number]}"
