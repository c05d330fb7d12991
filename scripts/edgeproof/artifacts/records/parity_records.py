"""`parity.json` as a record that later rooms read; `agreement` makes it."""

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed
from edgeproof.core.files import FilePath


def read_parity_record(path: FilePath) -> Json:
    """Return the parity record at `path`; UserError when it is missing, invalid or was edited."""
    return read_sealed(path, "parity", "check the parity again")
