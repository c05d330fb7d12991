"""Copying a model from a file of yours into the results."""

import shutil
from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, sha256_file

from .input_faults import InputFault, require_file, write_note


def copy_model(source: str | Path, sha256: str | None, output: str | Path) -> InputFault | None:
    """Copy the model file `source` to `output` in one step, and check its `sha256` if one is given.

    If there is no such file, it is a Git LFS pointer, or its digest is another one, a note takes the place of the
    model and the fault is returned: the model is called as the folder of `output`, and its YAML is named. UserError if
    the file may not be read. The digest is taken from the copy, so a change of the file in the meantime is detected.
    """
    name = Path(output).absolute().parent.name
    entry = f"config/models/{name}.yaml"
    where = f"{entry if Path(entry).is_file() else f'models.{name}'}: source"
    try:
        require_file(source, f"{where}.path")
        with atomic_path(output) as temporary:
            try:
                shutil.copyfile(source, temporary)
            except (OSError, shutil.SpecialFileError) as error:
                raise UserError(f"{source}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
            actual = sha256_file(temporary)
            if sha256 and actual != sha256.lower():
                raise InputFault(
                    "wrong_digest",
                    f"{where}.sha256 is {sha256.lower()}, but {source} has {actual}; correct one of the two",
                )
    except InputFault as fault:
        write_note(output, fault)
        return fault
    return None
