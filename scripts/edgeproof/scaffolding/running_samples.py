"""Do samples run through the model? They are tried when a model is added, so that a wrong set is refused at once."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from edgeproof.artifacts.agreement.execution import infer_outputs
from edgeproof.artifacts.agreement.parity import REFERENCE_ARM
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.tensors import write_tensors
from edgeproof.sources.samples import mark_whole_inputs

from .sample_tables import SampleTable


def require_running_samples(path: Path, identity: Json, table: SampleTable) -> None:
    """Raise UserError, naming the input where it can be told, unless samples run through an ONNX file.

    Tried are the first sample and, of each input of whole numbers (token ids, indices), those with the smallest and the
    largest value: what an embedding or a gather has no row for is at the ends.
    """
    inputs = [f"inputs/{item['name']}" for item in identity["inputs"]]
    tried: dict[int, tuple[str, str] | None] = {0: None}  # sample: the input and which of its values is why
    for name in inputs:
        if table.arrays[name].dtype.kind in "iu":
            flat = table.arrays[name].reshape(table.count, -1)
            for word, place in (("smallest", flat.min(1).argmin()), ("largest", flat.max(1).argmax())):
                tried.setdefault(int(place), (name, word))
    if _run(path, identity, table, [*tried]) is None:
        return
    for sample, why in tried.items():
        if (message := _run(path, identity, table, [sample])) is not None:
            raise UserError(f"{table.origin}: {_name_sample(table, inputs, sample, why)} does not run: {message}")


def _run(path: Path, identity: Json, table: SampleTable, samples: list[int]) -> str | None:
    """Run samples and return why that failed, None if they ran."""
    chosen = {name: array[samples] for name, array in table.arrays.items() if name.startswith("inputs/")}
    with tempfile.TemporaryDirectory(prefix="edgeproof-samples-") as folder:
        write_tensors(Path(folder, "samples.npz"), mark_whole_inputs(identity, chosen))
        reason = infer_outputs(sys.executable, REFERENCE_ARM, path, Path(folder, "samples.npz")).reason
    return " ".join(reason["message"].split()) if reason else None


def _name_sample(table: SampleTable, inputs: list[str], sample: int, why: tuple[str, str] | None) -> str:
    """Return which sample it is and, where one value of an input is why it was tried, that value."""
    if why is None:
        return f"sample {sample} of input {' and '.join(repr(name.removeprefix('inputs/')) for name in inputs)}"
    name, word = why
    value = int(np.min(table.arrays[name]) if word == "smallest" else np.max(table.arrays[name]))
    return f"sample {sample}, in which input {name.removeprefix('inputs/')!r} has its {word} value {value},"
