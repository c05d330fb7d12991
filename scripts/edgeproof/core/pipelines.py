"""Pipelines: from `config/pipelines/{pipeline}.yaml` to the models of its stages, the cells to measure, and its links.

A pipeline either cuts one model (`model`; every stage but the last names with `until` the tensors where it ends), or
chains models (every stage names its own). A stage reads the outputs of the stages in its `inputs`: without them of the
stage before, with an empty list the input of the pipeline.
"""

from collections.abc import Mapping

from .configuration import Catalogues, Json
from .errors import UserError
from .layout import Cell

HOST = "host"  # the caller: it has the input and needs the output
LEAST_CALIBRATION = 200  # as for any model
_EVALUATION = 64
_NEED_ENERGY = ("min-energy", "balanced", "efficiency")


def list_stage_models(pipelines: Mapping[str, Json]) -> dict[str, Json]:
    """Return the models that pipelines define by cutting one into stages: {model name: entry of the model catalogue}.

    `pipelines`: {name: document}.
    """
    return {
        name_stage_model(pipeline, document, number): {
            "description": f"stage {stage['name']} of {document['model']}, cut for the pipeline {pipeline}",
            "source": {"kind": "stage", "pipeline": pipeline, "number": number},
            "task": "none",
            "samples": {"kind": "stage", **count_stage_samples(document)},
        }
        for pipeline, document in pipelines.items()
        if "model" in document
        for number, stage in enumerate(document["stages"])
        if "model" not in stage  # a mistake that `check_pipeline` names; here it would take the place of that model
    }


def name_stage_model(pipeline: str, document: Json, number: int) -> str:
    """Return the name of the model that a pipeline's document defines for its stage `number` (from 0)."""
    stage = document["stages"][number]
    return stage.get("model") or f"{pipeline}-{number + 1:02d}-{stage['name']}"


def list_readings(document: Json) -> list[list[int]]:
    """Return per stage of a pipeline's document the numbers of the stages whose outputs it reads, in this order.

    An empty list stands for the input of the pipeline. A name that no stage has is left out; `check_pipeline` names it.
    """
    stages = document["stages"]
    numbers = {stage["name"]: number for number, stage in enumerate(stages)}
    before: list[list[int]] = [[number - 1] if number else [] for number in range(len(stages))]
    return [
        [numbers[name] for name in stage["inputs"] if name in numbers] if "inputs" in stage else before[number]
        for number, stage in enumerate(stages)
    ]


def is_chain(document: Json) -> bool:
    """Return whether a pipeline is a chain: every stage reads the one before it, and nothing else."""
    return all(read == ([number - 1] if number else []) for number, read in enumerate(list_readings(document)))


def list_cut_points(document: Json, number: int) -> tuple[list[str] | None, list[str] | None]:
    """Return where a pipeline cuts its model for a stage: (inputs, outputs), names of tensors; None for the model's
    own.
    """
    stages, read = document["stages"], list_readings(document)[number]
    inputs = [name for other in read for name in _list_ends(stages[other]) or []]
    return inputs or None, _list_ends(stages[number])


def count_stage_samples(document: Json) -> dict[str, int]:
    """Return {evaluation, calibration} of a pipeline: how many samples of the model its stages get.

    `document`: the pipeline. Activations are large, so only int8 gets a whole calibration set; the other precisions get
    one sample.
    """
    wanted = document.get("samples", {})
    calibrated = any("int8" in executor["precisions"] for executor in document["executors"])
    return {
        "evaluation": wanted.get("evaluation", _EVALUATION),
        "calibration": wanted.get("calibration", LEAST_CALIBRATION) if calibrated else 1,
    }


def list_cells(pipeline: str, document: Json) -> list[tuple[int, str, Cell]]:
    """Return the cells of a pipeline to measure, [(stage number, executor's name, Cell)], by stage and executor."""
    return [
        (
            number,
            executor["name"],
            Cell(
                name_stage_model(pipeline, document, number),
                executor["preset"],
                executor["device"],
                precision,
            ),
        )
        for number in range(len(document["stages"]))
        for executor in document["executors"]
        for precision in executor["precisions"]
    ]


def check_pipeline(document: Json, catalogues: Catalogues, where: str) -> None:
    """Raise UserError unless everything that a pipeline names exists and fits together."""
    _check_stages(document, catalogues, where)
    _check_unique([executor["name"] for executor in document["executors"]], f"{where}: executors")
    for number, executor in enumerate(document["executors"]):
        key = f"{where}: executors[{number}] ({executor['name']})"
        if executor["name"] == HOST:
            raise UserError(f"{key}: the name {HOST!r} is the caller's; choose another")
        for kind in ("device", "preset"):
            if executor[kind] not in catalogues[kind]:
                raise UserError(f"{key}: {kind}: {executor[kind]!r} is not one of {', '.join(catalogues[kind])}")
        offered = catalogues["preset"][executor["preset"]]["precisions"]
        for precision in executor["precisions"]:
            if precision not in offered:
                raise UserError(
                    f"{key}: preset {executor['preset']!r} does not build {precision!r}; it has {', '.join(offered)}"
                )
    _check_links(document, where)
    _check_contention(document, where)
    _check_energy(document, catalogues, where)


def _list_ends(stage: Json) -> list[str] | None:
    """Return the tensors where a stage ends, None for the outputs of the whole model."""
    until = stage.get("until")
    return [until] if isinstance(until, str) else until


def _check_stages(document: Json, catalogues: Catalogues, where: str) -> None:
    stages = document["stages"]
    _check_unique([stage["name"] for stage in stages], f"{where}: stages")
    _check_inputs(stages, where)
    for number, stage in enumerate(stages):
        key = f"{where}: stages[{number}] ({stage['name']})"
        if "model" in document:
            if "model" in stage:
                raise UserError(f"{key}: names a model, but the pipeline cuts {document['model']!r}; use `until`")
            if ("until" in stage) == (number == len(stages) - 1):
                raise UserError(f"{key}: every stage but the last needs `until`: the tensors where it ends")
        elif "until" in stage or "model" not in stage:
            raise UserError(f"{key}: the pipeline cuts no model, so every stage needs its own `model` and no `until`")
    for name in [document["model"]] if "model" in document else [stage["model"] for stage in stages]:
        if name not in catalogues["model"]:
            raise UserError(f"{where}: model {name!r} is not in config/models/")


def _check_energy(document: Json, catalogues: Catalogues, where: str) -> None:
    for number, goal in enumerate(document["goals"]):
        for executor in document["executors"] if goal in _NEED_ENERGY else ():
            if not catalogues["device"][executor["device"]].get("samplers"):
                raise UserError(
                    f"{where}: goals[{number}]: {goal!r} needs the energy of every stage, and nothing measures it on "
                    f"{executor['device']!r}: give the device `samplers` (edgeproof doctor proposes some), or choose "
                    "min-latency, throughput or accuracy-first"
                )


def _check_inputs(stages: list[Json], where: str) -> None:
    known: list[str] = []
    for number, stage in enumerate(stages):
        for name in stage.get("inputs", ()):
            if name not in known:
                raise UserError(
                    f"{where}: stages[{number}] ({stage['name']}): inputs: {name!r} is not a stage before it; "
                    f"{'there are ' + ', '.join(known) if known else 'the first stage reads the input of the pipeline'}"
                )
        known.append(stage["name"])
    read = {number for numbers in list_readings({"stages": stages}) for number in numbers}
    for number, stage in enumerate(stages[:-1]):
        if number not in read:
            raise UserError(
                f"{where}: stages[{number}] ({stage['name']}): no stage reads it; add it to `inputs` of one"
            )


def _check_links(document: Json, where: str) -> None:
    names = [HOST, *(executor["name"] for executor in document["executors"])]
    links = document["links"]
    declared = [(link["source"], link["target"]) for link in links.get("declare", [])]
    for pair in declared:
        for name in pair:
            if name not in names:
                raise UserError(f"{where}: links.declare: {name!r} is not an executor; known: {', '.join(names)}")
        if pair[0] == pair[1]:
            raise UserError(
                f"{where}: links.declare joins {pair[0]!r} to itself; staying on one executor costs nothing"
            )
    _check_unique([" → ".join(pair) for pair in declared], f"{where}: links.declare")
    if "measure" not in links and not declared:
        raise UserError(f"{where}: links: add `measure` or `declare`, so that the cost of a hand-over is known")
    devices = sorted({executor["device"] for executor in document["executors"]})
    if len(devices) > 1:
        raise UserError(
            f"{where}: executors: they are on {', '.join(devices)}; a pipeline is measured and run on one device. Plan"
            " over several with `edgeproof plans solve` and a scenario of your own"
        )


def _check_contention(document: Json, where: str) -> None:
    names = [executor["name"] for executor in document["executors"]]
    rows = document.get("contention", [])
    for number, row in enumerate(rows):
        for end in ("slowed", "by"):
            if row[end] not in names:
                known = ", ".join(names)
                raise UserError(f"{where}: contention[{number}]: {row[end]!r} is not an executor; known: {known}")
    if rows and document.get("execution") != "scheduled":
        raise UserError(f"{where}: contention counts in scheduled execution only; set `execution: scheduled`")


def _check_unique(names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{where}: {name!r} occurs twice")
