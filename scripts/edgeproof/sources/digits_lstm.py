"""Recipe `digits-lstm`: a recurrent network in ONNX that reads the UCI digits row by row, trained by our own code.

Bytes differ between machines as those of `digits_cnn` do. The settings were chosen by training on samples 0-896 and
validating on 897-1296, where it is right on 0.94.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.files import atomic_write

from . import digits, network
from .onnx_chain import OnnxChain
from .training import Parameters, Schedule, train_parameters

HIDDEN = 32
STEPS = WIDTH = 8  # rows of an image, and pixels of a row
EPOCHS = 120
BATCH = 32
RATE = 8e-3
DECAY = 0.1
SMOOTHING = 0.1
AVERAGED = 0.25


def make_digits_lstm(options: Json, output: str | Path) -> None:
    """Train the digits LSTM on digits 0-1296 with `options` (`seed`, `epochs`) and write it in ONNX to `output`.

    UserError for an unknown option or a wrong value. The held-out samples are not used.
    """
    validate(options, "model#options-training", "recipe digits-lstm")
    seed, epochs = int(options.get("seed", 0)), int(options.get("epochs", EPOCHS))
    parameters = train_network(*digits.load_training_digits(), seed, epochs)
    atomic_write(output, build_model(parameters).SerializeToString(deterministic=True))


def train_network(inputs: np.ndarray, labels: np.ndarray, seed: int, epochs: int) -> Parameters:
    """Return the parameters of the digits LSTM, trained on `inputs` `(n, 1, 8, 8)` and `labels` `(n,)`."""
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = inputs[:, 0]

    def compute(parameters: Parameters, batch: np.ndarray) -> Parameters:
        logits, trace = compute_logits(parameters, rows[batch])
        _, slope = network.compute_loss(logits, labels[batch], SMOOTHING)
        return compute_gradients(parameters, trace, slope)

    schedule = Schedule(epochs, BATCH, RATE, DECAY, AVERAGED)
    parameters = train_parameters(make_parameters(generator), len(rows), generator, schedule, compute)
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def make_parameters(generator: np.random.Generator) -> Parameters:
    """Return the digits LSTM's seeded parameters.

    `lstm/matrix` `(8 + 32, 4 * 32)` takes a row and the state to the gates in ONNX's order: input, output, forget,
    cell. `head/matrix` `(32, 10)`. The forget gate starts open.
    """
    bias = np.zeros(4 * HIDDEN)
    bias[2 * HIDDEN : 3 * HIDDEN] = 1
    parameters = {
        "lstm/matrix": generator.normal(0, math.sqrt(1 / (WIDTH + HIDDEN)), (WIDTH + HIDDEN, 4 * HIDDEN)),
        "lstm/bias": bias,
        "head/matrix": generator.normal(0, math.sqrt(1 / HIDDEN), (HIDDEN, digits.CLASSES)),
        "head/bias": np.zeros(digits.CLASSES),
    }
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def compute_logits(parameters: Parameters, rows: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the digits LSTM's `(logits, trace)` for images as rows `(n, 8, 8)`; its gradients need the trace."""
    state = cell = np.zeros((len(rows), HIDDEN), rows.dtype)
    steps = []
    for row in rows.swapaxes(0, 1):
        read = np.hstack([row, state])
        given, shown, kept, new = np.split(read @ parameters["lstm/matrix"] + parameters["lstm/bias"], 4, axis=1)
        given, shown, kept = (1 / (1 + np.exp(-gate)) for gate in (given, shown, kept))
        new, before = np.tanh(new), cell
        cell = kept * before + given * new
        bent = np.tanh(cell)
        state = shown * bent
        steps.append((read, given, shown, kept, new, before, bent))
    logits = state @ parameters["head/matrix"] + parameters["head/bias"]
    return logits, {"steps": steps, "state": state}


def compute_gradients(parameters: Parameters, trace: dict[str, Any], slope: np.ndarray) -> Parameters:
    """Return the gradient of the digits LSTM's loss for every parameter; `slope`: for the logits, `(n, 10)`."""
    gradients = {"head/matrix": trace["state"].T @ slope, "head/bias": slope.sum(axis=0)}
    gradients |= {name: np.zeros_like(parameters[name]) for name in ("lstm/matrix", "lstm/bias")}
    of_state = slope @ parameters["head/matrix"].T
    of_cell = np.zeros_like(of_state)
    for read, given, shown, kept, new, before, bent in reversed(trace["steps"]):
        of_cell = of_cell + of_state * shown * (1 - bent**2)
        gates = np.hstack(
            [
                of_cell * new * given * (1 - given),
                of_state * bent * shown * (1 - shown),
                of_cell * before * kept * (1 - kept),
                of_cell * given * (1 - new**2),
            ]
        )
        gradients["lstm/matrix"] += read.T @ gates
        gradients["lstm/bias"] += gates.sum(axis=0)
        of_state = (gates @ parameters["lstm/matrix"].T)[:, WIDTH:]
        of_cell = of_cell * kept
    return gradients


def build_model(parameters: Parameters) -> onnx.ModelProto:
    """Return the digits LSTM in ONNX: `input` float32 `(1, 1, 8, 8)` in 0..1, `logits` float32 `(1, 10)`."""
    chain = OnnxChain("input")
    chain.add("Squeeze", "rows", ("axes", np.array([1])))
    chain.add("Transpose", "steps", perm=[1, 0, 2])
    matrix, bias = parameters["lstm/matrix"].T[None], parameters["lstm/bias"]
    tensors = [("input", matrix[..., :WIDTH]), ("state", matrix[..., WIDTH:])]
    both = np.concatenate([bias, np.zeros_like(bias)])[None]  # ONNX has one bias for the input and one for the state
    chain.add("LSTM", "lstm", *tensors, ("bias", both), hidden_size=HIDDEN, outputs=["", "lstm/last"])
    chain.add("Squeeze", "last", ("axes", np.array([0])))
    head = ("matrix", parameters["head/matrix"].T), ("bias", parameters["head/bias"])
    chain.add("Gemm", "head", *head, transB=1, outputs=["logits"])
    return chain.build_model("digits-lstm", (1, *digits.SHAPE), {"logits": ((1, digits.CLASSES), np.float32)})
