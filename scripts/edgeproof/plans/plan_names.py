"""Names of scenarios and plans on the command line: `PIPELINE` and `PIPELINE/GOAL`, as they lie in `results/plans/`."""

from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.core.suggestions import suggest_words

PLANS = "results/plans"
STANDARD_INPUT = Path("/dev/stdin")


def list_scenarios(root: Path) -> list[str]:
    """Return the names of pipelines that have a scenario to plan, sorted, as the command line takes them."""
    return sorted(path.parent.name for path in (root / PLANS).glob("*/scenario.json"))


def list_plans(root: Path) -> list[str]:
    """Return the names of all plans, `PIPELINE/GOAL`, sorted, as the command line takes them."""
    return sorted("/".join(path.parts[-3:-1]) for path in (root / PLANS).glob("*/*/plan.json"))


def find_scenario(text: str, root: Path) -> Path:
    """Return the scenario file to plan that a name on the command line stands for: of a pipeline, a path or `-`.

    `-` is standard input. UserError if there is none.
    """
    if text == "-":
        return STANDARD_INPUT
    return _find(text, root / PLANS / text / "scenario.json", list_scenarios(root))


def find_plan(text: str, root: Path) -> Path:
    """Return the plan that a name on the command line, `PIPELINE/GOAL` or a path, stands for; UserError if none."""
    return _find(text, root / PLANS / text / "plan.json", list_plans(root))


def _find(text: str, named: Path, names: list[str]) -> Path:
    if text in names:
        return named
    path = Path(text)
    if is_file(path) or path.is_dir():
        return path
    if path.is_fifo() or path.is_char_device():
        return path  # `solve <(make_scenario)`: it is read once, like a file
    raise UserError(f"{text}: there is no such file, and nothing in {PLANS}/ has this name{suggest_words(text, names)}")
