"""The family files that users name: EdgeAdapt's YAML, or the `family.json` that the workflow fills."""

from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.runtime.variants import FamilyYamlError, ModelFamily


def open_family_file(path: str, root: Path) -> ModelFamily:
    """Return the family of a family file that a user names to a verb; UserError for what is wrong.

    Paths in a YAML file are relative to its folder, as EdgeAdapt has it; those of `family.json` to the repository.
    """
    place = Path(path) if is_file(path) else root / path
    try:
        family = ModelFamily.from_yaml(place)
    except FamilyYamlError as error:
        if "unknown key 'cell'" in str(error):
            name = place.stem
            raise UserError(
                f"{path}: its variants are cells; give results/adaptation/{name}/DEVICE/family.json, which the workflow"
                " fills"
            ) from error
        raise UserError(str(error)) from error
    return family.resolve_paths(root if place.suffix == ".json" else place.parent)
