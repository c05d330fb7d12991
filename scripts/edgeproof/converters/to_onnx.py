"""PyTorch to ONNX: a module of the user's, or a TorchScript file, exported with the outputs that it gives in PyTorch.

The exporter is the one that traces TorchScript (`dynamo=False`). The outputs on two seeded sets of inputs are written
beside the model: a branch that tracing froze shows on the second.
"""

import importlib.util
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .protocol import ConversionError, answer_by_protocol, call_tool

EXPORTER = "torch.onnx.export, dynamo=False"
_SEEDS = (0, 1)
_STATES = ("state_dict", "model_state_dict", "model")  # where training scripts keep the weights in what they save


def convert(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Export a PyTorch model to ONNX: write `model.onnx`, and `eager.npz` with inputs and outputs, `{seed}/inputs/NAME`
    and so on.

    `spec`: module (`FILE.py:NAME`, or a TorchScript file), weights (a file, or None), example_input `[{name, shape,
    dtype}]` in the order that the module takes them, and opset.
    """
    module = _load_module(spec["module"], spec["weights"]).eval()
    examples = {seed: _draw(spec["example_input"], seed) for seed in _SEEDS}
    arrays: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for seed, inputs in examples.items():
            outputs = _flatten(call_tool(Path(spec["module"]).name, lambda inputs=inputs: module(*inputs.values())))
            arrays |= {f"{seed}/inputs/{name}": value.numpy() for name, value in inputs.items()}
            arrays |= {f"{seed}/outputs/{n}": value.numpy() for n, value in enumerate(outputs)}
        call_tool("torch.onnx.export", lambda: _export(module, examples[0], len(outputs), spec["opset"], out))
    np.savez(out / "eager.npz", **arrays)  # pyright: ignore[reportArgumentType]
    return {"artifact": "model.onnx", "exporter": EXPORTER, "opset": spec["opset"]}


def _load_module(named: str, weights: "str | None") -> Any:
    """Return the module of the user's with its weights; ConversionError for what their code raises."""
    if named.endswith(".pt"):
        return call_tool("torch.jit.load", lambda: torch.jit.load(named, map_location="cpu"))
    file, _, name = named.rpartition(":")
    made = call_tool(Path(named).name, lambda: _import(Path(file), name))
    if weights is not None:
        state = call_tool("torch.load", lambda: torch.load(weights, map_location="cpu", weights_only=True))
        inner = next((state[key] for key in _STATES if isinstance(state.get(key), dict)), state)
        call_tool(f"{Path(named).name}: load_state_dict", lambda: made.load_state_dict(inner))
    return made


def _import(file: Path, name: str) -> Any:
    """Return the module that `name` in a Python file is, or makes when it is called without arguments."""
    sys.path.insert(0, str(file.parent))  # for what it imports from beside it
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None, "a Python file has a loader"
    code = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = code
    spec.loader.exec_module(code)
    found = getattr(code, name)
    made = found if isinstance(found, torch.nn.Module) else found()
    if not isinstance(made, torch.nn.Module):
        raise ConversionError("unsupported_model", f"{name} in {file.name} gives no torch.nn.Module")
    return made


def _draw(inputs: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Return seeded tensors: normal numbers, and 0 or 1 for integers, which every table of embeddings has.

    The second set is the first with other signs, so that what depends on the sign of a sum takes its other branch.
    """
    random, drawn = np.random.RandomState(0), {}
    for item in inputs:
        dtype = np.dtype(item.get("dtype", "float32"))
        if dtype.kind == "f":
            value = (1 - 2 * seed) * random.standard_normal(item["shape"])
        else:
            value = (random.randint(0, 2, item["shape"]) + seed) % 2
        drawn[item["name"]] = torch.from_numpy(np.asarray(value).astype(dtype))
    return drawn


def _flatten(outputs: Any) -> list[Any]:
    """Return the tensors of what a module gives, in the order in which they are exported."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, list | tuple):
        return [tensor for item in outputs for tensor in _flatten(item)]
    raise ConversionError("unsupported_model", f"the module gives a {type(outputs).__name__} and no tensors")


def _export(module: Any, inputs: dict[str, Any], count: int, opset: int, out: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there is a newer exporter
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            str(out / "model.onnx"),
            input_names=list(inputs),
            output_names=[f"output_{n}" for n in range(count)],
            opset_version=opset,
            dynamo=False,
        )


if __name__ == "__main__":
    logging.getLogger("torch").setLevel(logging.ERROR)
    answer_by_protocol(convert)
