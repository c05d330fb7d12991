"""Families of variants: from `config/families/{family}.yaml` to the cells whose results fill them."""

from collections.abc import Mapping
from typing import Any

from .configuration import Json
from .layout import Cell


def list_family_cells(document: Mapping[str, Any], device: str) -> dict[str, Cell]:
    """Return {variant: the cell whose artifact and results it has} of a family of variants on a device.

    Variants that are mere files are left out.
    """
    return {
        name: Cell(variant["cell"]["model"], variant["cell"]["preset"], device, variant["cell"]["precision"])
        for name, variant in document["variants"].items()
        if "cell" in variant
    }


def list_family_files(document: Json) -> dict[str, str]:
    """Return {variant: its file} of the variants in a family of the configuration that are mere files."""
    return {name: variant["path"] for name, variant in document["variants"].items() if "path" in variant}
