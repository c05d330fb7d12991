"""From a plan to what the agent runs: one arm of stages, each on its executor."""

from typing import TypedDict

from edgeproof.core.configuration import Arm, Json
from edgeproof.core.errors import UserError


class PlacedCell(TypedDict):
    """A variant of a stage on an executor, ready to run: `stage` counts from 0, `artifact` and `reference` are paths.

    `arm` is as in a run. `reference` holds what the artifact computed when its parity was checked; None: not known.
    """

    stage: int
    name: str
    executor: str
    precision: str
    arm: Arm
    artifact: str
    reference: str | None


def choose_cells(plan: Json, cells: list[PlacedCell]) -> list[PlacedCell]:
    """Return the cells for a placed arm: those that a plan chooses, one for each stage, in order.

    UserError when the pipeline has no such cell.
    """
    known = {(cell["name"], cell["executor"], cell["precision"]): cell for cell in cells}
    chosen = []
    for row in plan["assignments"]:
        key = (row["stage_name"], row["device_name"], row["variant"])
        if key not in known:
            raise UserError(f"the plan places {' '.join(key)}, which the pipeline does not have; plan again")
        chosen.append(known[key])
    return chosen


def place_checked_stages(
    plan: Json, chosen: list[PlacedCell], identities: list[Json], reads: list[list[int]], scheduled: bool = False
) -> Json:
    """Return the placed arm that the agent runs to check a plan: stages, each on its executor (backend `placed`).

    `reads`: per stage the stages that it reads. Tensors are named after the stage that makes them: `2/0` is the first
    output of stage 1, counted from 0, and `0/0` the first input of the pipeline. A scheduled plan has its steps in the
    order in which they start, and they run side by side. UserError when a stage does not read what those before it
    write. An executor without an interpreter of its own has the agent's, whose path is in no key: a copied repository
    has another.
    """
    steps, executors, tensors = [], {}, {}
    readers = _list_readers(chosen, reads)
    for number, (cell, identity) in enumerate(zip(chosen, identities, strict=True)):
        arm = {key: value for key, value in cell["arm"].items() if key not in ("interpreter", "between_calls")}
        executors[cell["executor"]] = {"interpreter": cell["arm"].get("interpreter")}
        steps.append(
            {
                "name": plan["assignments"][number]["stage_name"],
                "executor": cell["executor"],
                "arm": {**arm, "artifact": str(cell["artifact"])},
                "inputs": _name_inputs(identity, identities, reads[number]),
                "outputs": _name_ends(identity["outputs"], number + 1),
            }
        )
        if readers[number] - {cell["executor"]}:
            tensors |= _describe_tensors(identity["outputs"], number + 1)
    tensors |= _describe_tensors(identities[0]["inputs"], 0)
    outputs = _name_ends(identities[-1]["outputs"], len(identities))
    overlap = {"depth": 1, "in_order": True, "taken": [tensor for _, tensor in outputs]}
    if scheduled:
        start = {row["stage_name"]: (row["start_ms"], row["end_ms"]) for row in plan["assignments"]}
        steps.sort(key=lambda step: start[step["name"]])
    return {
        "backend": "placed",
        "precision": "mixed",
        "artifact": None,
        "runtime": {},
        "executors": executors,
        "tensors": tensors,
        "steps": steps,
        "inputs": _name_ends(identities[0]["inputs"], 0),
        "outputs": outputs,
        **({"overlap": overlap} if scheduled else {}),
    }


def _list_readers(chosen, reads):
    """Return per stage the executors that read its outputs; None is the caller, who reads those of the last."""
    readers = [{cell["executor"] for cell, read in zip(chosen, reads, strict=True) if n in read}
               for n in range(len(chosen))]  # fmt: skip
    readers[-1].add(None)
    return readers


def fill_pipeline(arm: Json, reads: list[list[int]], seconds: float) -> Json:
    """Return the placed arm of a pipeline that is kept full for so many seconds.

    A tensor is kept for two inputs, and for one more per stage that it passes by on its way.
    """
    level = [0] * len(reads)
    for number, read in enumerate(reads):
        level[number] = max((level[other] + 1 for other in read), default=0)
    steps = [level[number] - level[other] for number, read in enumerate(reads) for other in read]
    depth = 1 + max(steps, default=1)
    overlap = {"depth": depth, "in_order": False, "taken": [tensor for _, tensor in arm["outputs"]]}
    return {**arm, "verb": "flow", "overlap": overlap, "full_seconds": seconds}


def _name_ends(items, number):
    return [[item["name"], f"{number}/{index}"] for index, item in enumerate(items)]


def _describe_tensors(items, number):
    return {f"{number}/{index}": {"dtype": item["dtype"], "shape": item["shape"]} for index, item in enumerate(items)}


def _name_inputs(identity, identities, read):
    """Return the pairs of own and pipeline's name of a stage's inputs, which others make in this order."""
    sources = [
        (item, f"{number + 1}/{index}") for number in read for index, item in enumerate(identities[number]["outputs"])
    ] or [(item, f"0/{index}") for index, item in enumerate(identities[0]["inputs"])]
    made = [(item["dtype"], item["shape"]) for item, _ in sources]
    wanted = [(item["dtype"], item["shape"]) for item in identity["inputs"]]
    if made != wanted:
        names = ", ".join(identities[number]["model"] for number in read) or "the caller"
        raise UserError(f"{identity['model']} reads {wanted}, but {names} makes {made}; they cannot be joined")
    return [[item["name"], key] for item, (_, key) in zip(identity["inputs"], sources, strict=True)]
