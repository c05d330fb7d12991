"""Names for completion: what has been made, read from the folders of `results/` alone."""

from pathlib import Path

from edgeproof.core.attempts import FOLDER

_NAMES = (("runs", "*/*/*/*/result.json", 0), ("comparability", "*/*/report.json", 1), ("plans", "*/*/plan.json", 0))


def list_made(root: Path) -> list[str]:
    """Return the names, for completion, of the cells, comparisons and plans that have documents, sorted."""
    found: set[str] = set()
    for room, pattern, skipped in _NAMES:
        folder = root / "results" / room
        found.update("/".join(path.relative_to(folder).parts[skipped:-1]) for path in folder.glob(pattern))
    return sorted(found)


def list_runs(root: Path) -> list[str]:
    """Return the names, for completion, of the cells whose results have been made, sorted."""
    folder = root / "results/runs"
    return sorted("/".join(path.relative_to(folder).parts[:-1]) for path in folder.glob("*/*/*/*/result.json"))


def list_stores(root: Path) -> list[str]:
    """Return the names of what has been made, for completion: folders below `results/` that have attempts, sorted."""
    results = root / "results"
    stores = (path for depth in range(2, 8) for path in results.glob("/".join(["*"] * depth) + f"/{FOLDER}"))
    return sorted({str(path.parent.relative_to(results)) for path in stores})


def list_reported(root: Path) -> list[str]:
    """Return the names, for completion, of runs whose figures a command reported, as NAME/TARGET/PRECISION, sorted."""
    found = root.glob("results/runs/*/edgeenv/*/*/reported.json")
    return sorted("/".join((path.parts[-5], *path.parts[-3:-1])) for path in found)
