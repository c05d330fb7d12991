"""The texts of `edgeproof new model`: a model's configuration, and a campaign that compares its precisions."""

import json
import textwrap
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.sources.chosen_rows import Selection

_SCORE = 0.25  # rows below it are left out, where the model has no threshold of its own
RANDOM_CALIBRATION, RANDOM_EVALUATION = 256, 64  # samples, where they are random

_MODEL = """\
# {title}
# Written by `edgeproof new model`. Every key: config/README.md.
description: {description}
source:
  kind: file
  path: {path}
  sha256: {sha256}   # another file under this name is refused
{task}
{samples}
"""

_TORCH = """\
# {name}: a PyTorch model, exported to ONNX before anything is built from it.
# Written by `edgeproof new model`. Every key: config/README.md.
description: {description}
source:
  kind: torch
  module: {module}{weights}
  example_input:   # in the order that the module takes them; these names become those of the ONNX model
{inputs}
{task_comment}
task: none
{samples}
"""

_TENSORFLOW = """\
# {name}: a TensorFlow model, exported to ONNX before anything is built from it.
# Written by `edgeproof new model`. Every key: config/README.md.
description: {description}
source:
  kind: tensorflow
  path: {path}
{supplied}{task_comment}
task: none
{samples}
"""

_OWN_FILE = """\
supplied:   # the file itself is what a TFLite preset takes; everything else is made from the ONNX model
  {precision}: {{file: {path}}}
"""

_FILES = """\
# {origin}.
# {left_out} shuffled and split: the first set chooses the ranges of int8, the second evaluates.
samples:
  kind: file
  calibration: {calibration}
  calibration_sha256: {calibration_sha256}
  evaluation: {evaluation}
  evaluation_sha256: {evaluation_sha256}"""

_RANDOM = """\
# Random values, the same in every run. They show size, latency and whether outputs agree; for accuracy, give real
# samples with their answers: edgeproof new model PATH --samples FILE_OR_FOLDER --labels FILE
samples:
  kind: random
  seed: {seed}
  calibration: {calibration}   # samples that choose the ranges of int8
  evaluation: {evaluation}     # samples on which artifacts are compared with the model"""

_SUPPLIED = """\
# What InferEdgeForge has built, taken as it is: {build_id}.
supplied:
  {precision}:
    file: {path}
    sha256: {sha256}
    record: {record}
"""

_TASKS = {
    "classification": "# The first output holds a score per class; accuracy is the share of right ones.",
    "regression": "# The first output holds the predicted number; accuracy is its root mean square error.",
    "none": "# Outputs are compared with those of the model, and nothing is said about accuracy.",
}

_DETECTION = """\
# NonMaxSuppression selects rows of boxes. They are matched with those of the model by class and overlap; name labels in
# COCO's JSON (`labels: FILE`), and mAP and F1 are measured, too (docs/sources.md).
task:
  detection:
    boxes: {boxes}
    scores: {scores}
    selected: {selected}
    box_format: {box_format}
    score_threshold: {score_threshold:g}   # {threshold_from}
    iou_threshold: 0.5     # overlap from which two boxes are the same"""

_CAMPAIGN = """\
# {name} as {first} against its other precisions:
#     snakemake --profile {profile} --configfile config/{name}.yaml
# This file is laid over config/config.yaml, the demo: a key here replaces the demo's, and `null` takes one away.
# `edgeproof campaign config/{name}.yaml` shows the result. Every key: config/README.md.
campaign: {name}

# How long is measured: quick for a first look, standard or publishable for numbers that you show to others.
protocol: {protocol}

# When two results may be compared: a file in config/policies/.
policy: strict
devices: [{device}]

# The cells: every combination of these lists is built and measured.
matrices:
  - models: [{name}]
    presets: [{preset}]     # more of them: config/presets/, or edgeproof new preset NAME --from {preset}
    precisions: [{precisions}]

# The same artifact against itself: how much do pairs vary here, and how long does a comparison take?
calibration:
  pairs: 12
  sessions: 1
  cells:
    - {{model: {name}, preset: {preset}, precision: {first}}}

# `right` takes from `left` what it does not name; `varies` says what is under study and may therefore differ.
{comparisons}
# What the demo may have besides, taken away.
tables: null
pipelines: null
regressions: null      # the default, policy strict, judges every comparison
{outlook}criteria: null         # the default, interactive, says whether the right side may be deployed

gate:
  tolerate: []   # or what may pass besides ok: throttled, unsupported, elsewhere
"""

_COMPARISON = """\
  - name: {name}-{left}-vs-{right}
    left: {{model: {name}, preset: {preset}, precision: {left}}}
    right: {{precision: {right}}}
    varies: [precision]
"""


def _quote(value: Any) -> str:
    """Return a value as YAML on one line."""
    return json.dumps(value, ensure_ascii=False)


def render_model(identity: Json, path: str, task: str, samples: str) -> str:
    """Return the text of a new model's configuration, `config/models/NAME.yaml`.

    `task`: from `render_task` or `render_detection`. `samples`: from `render_files` or `render_random`.
    """
    inputs = ", ".join(f"{item['name']} {item['dtype']} {item['shape']}" for item in identity["inputs"])
    return _MODEL.format(
        title=f"{identity['model']}: {identity['parameters']:,} parameters, {identity['bytes'] / 1e6:.2f} MB",
        description=_quote(f"{identity['model']}; inputs {inputs}"),
        path=_quote(path),
        sha256=identity["sha256"],
        task=task,
        samples=samples,
    )


def render_task(task: str) -> str:
    """Return the text in a model's configuration about its task, where that is a word."""
    return f"{_TASKS[task]}\ntask: {task}"


def render_detection(selection: Selection) -> str:
    """Return the text in a model's configuration about the task of a detector with the outputs of NonMaxSuppression."""
    known = selection.score_threshold is not None and 0 < selection.score_threshold <= 1
    return _DETECTION.format(
        boxes=_quote(selection.boxes),
        scores=_quote(selection.scores),
        selected=_quote(selection.selected),
        box_format=selection.box_format,
        score_threshold=selection.score_threshold if known else _SCORE,
        threshold_from="the model's own" if known else "rows below it are left out; choose yours",
    )


def render_torch_model(name: str, module: str, weights: str | None, shapes: dict[str, list[int]]) -> str:
    """Return the text of `config/models/NAME.yaml` of a PyTorch model. `shapes`: of its inputs, with the batch."""
    return _TORCH.format(
        name=name,
        description=_quote(f"{name}, exported from PyTorch"),
        module=_quote(module),
        weights=f"\n  weights: {_quote(weights)}" if weights else "",
        inputs="\n".join(f"    - {{name: {_quote(item)}, shape: {shape}}}" for item, shape in shapes.items()),
        task_comment=_TASKS["none"],
        samples=render_random({}),
    )


def render_tensorflow_model(name: str, path: str, precision: str | None) -> str:
    """Return the text of `config/models/NAME.yaml` of a SavedModel, or of a TFLite file of this precision."""
    return _TENSORFLOW.format(
        name=name,
        description=_quote(f"{name}, exported from TensorFlow"),
        path=_quote(path),
        supplied=_OWN_FILE.format(precision=precision, path=_quote(path)) if precision else "",
        task_comment=_TASKS["none"],
        samples=render_random({}),
    )


def render_files(origin: str, duplicates: int, digests: dict[str, tuple[str, str]]) -> str:
    """Return the text about a model's samples from files. `digests`: {calibration, evaluation: (path, sha256)}."""
    values = {}
    for key, (path, sha256) in digests.items():
        values |= {key: _quote(path), f"{key}_sha256": sha256}
    left_out = f"{duplicates} samples that occur twice were left out, the others were" if duplicates else "They were"
    return _FILES.format(origin=" ".join(origin.split()), left_out=left_out, **values)


def render_supplied(precision: str, path: str, sha256: str, record: str, built: Json) -> str:
    """Return the text about an artifact that InferEdgeForge has built. `built`: what its manifest says of the build."""
    return _SUPPLIED.format(
        precision=precision, path=_quote(path), sha256=sha256, record=_quote(record), build_id=built["build_id"]
    )


def render_random(shapes: dict[str, list[int]], seed: int = 0) -> str:
    """Return the text about a model's random samples. `shapes`: of inputs with open axes, with the batch."""
    lines = "".join(f"\n    {_quote(name)}: {shape}" for name, shape in shapes.items())
    return _RANDOM.format(seed=seed, calibration=RANDOM_CALIBRATION, evaluation=RANDOM_EVALUATION) + (
        f"\n  shapes:            # of one call, batch included{lines}" if lines else ""
    )


def render_campaign(name: str, precisions: list[str], where: dict[str, str], outlook: list[str]) -> str:
    """Return the text of a new model's campaign, `config/NAME.yaml`: its first precision is compared with each other.

    `where`: names of preset, device, protocol and profile. `outlook`: what it can show of its criteria, in sentences.
    """
    first, *others = precisions
    compared = "".join(
        _COMPARISON.format(name=name, preset=where["preset"], left=first, right=other) for other in others
    )
    return _CAMPAIGN.format(
        **where,
        outlook="".join(f"# {line}\n" for text in outlook for line in textwrap.wrap(text, 110)),
        name=name,
        first=first,
        precisions=", ".join(precisions),
        comparisons=f"comparisons:\n{compared}" if compared else "comparisons: []   # the preset has one precision\n",
    )
