"""Bundles that were taken in from elsewhere, by the names under which people ask for them."""

from pathlib import Path

from .layout import IMPORTED

_MANIFEST = "bundle.json"


def list_imports(root: Path) -> list[str]:
    """Return the names of the bundles that were imported into a checkout, sorted."""
    return sorted(path.parent.name for path in (root / IMPORTED).glob(f"[!.]*/{_MANIFEST}"))


def find_import(text: str, root: Path) -> str | None:
    """Return the name of the imported bundle that a text means: its name, its folder, or a file in that; None if none.

    `root`: the checkout. A path may be relative to the current folder or to the checkout.
    """
    known = list_imports(root)
    if text.rstrip("/") in known:
        return text.rstrip("/")
    place = (root / IMPORTED).resolve()
    for path in (Path(text).resolve(), (root / text).resolve()):
        if path.is_relative_to(place) and path != place and (name := path.relative_to(place).parts[0]) in known:
            return name
    return None


def say_export(name: str) -> str:
    """Return the command that writes an imported bundle again as it came."""
    return f"edgeproof runs export {name} --output bundle.zip"
