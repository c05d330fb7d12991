"""The model that answers now: one record of model, name and generation, and a count of its users."""

from __future__ import annotations

import threading
from typing import Any, ContextManager, Dict, List, NamedTuple, Optional, Protocol, Sequence

from ..agent.specs import Array, Feed, TensorInfo


class ModelLost(RuntimeError):
    """The process that ran a model is gone: the request may be asked again, of another model."""


class Answer(NamedTuple):
    """Outputs by name, and who made them: the variant, and which of its loads since the engine began."""

    outputs: Dict[str, Array]
    variant: str
    generation: int


class Model(Protocol):
    """What a loader returns: EdgeAdapt's backend."""

    def infer(self, x: Any) -> Any:
        """Return what the model makes of `x`."""
        ...

    def unload(self) -> None:
        """Give everything back."""
        ...

    def is_loaded(self) -> bool:
        """Return whether `infer` can be called."""
        ...

    def capabilities(self) -> Dict[str, Any]:
        """Return backend_id, dynamic_shapes, max_batch_size, supports_concurrent_infer, quantization, input_names."""
        ...


class NamedModel(Model, Protocol):
    """A model that knows its tensors by name: what a server needs, and what the engine's own loaders return."""

    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]

    def run(self, feed: Feed) -> List[Array]:
        """Return the outputs of one inference, in the order of `outputs`."""
        ...


class ActiveModel:
    """One load of one variant. It is never changed but for the count of its users; the engine replaces it as a whole.

    `enter` before use and `leave` after it. Once it is retired nobody can enter, and `drained` is set when the last
    user has left.
    """

    __slots__ = ("_lock", "_retired", "_users", "drained", "generation", "model", "name")

    def __init__(self, model: Any, name: str, generation: int) -> None:
        self.model, self.name, self.generation = model, name, generation
        self.drained = threading.Event()
        self._lock = threading.Lock()
        self._users = 0
        self._retired = False

    def enter(self) -> bool:
        """Count a user; return False where the model is retired already."""
        with self._lock:
            if self._retired:
                return False
            self._users += 1
            return True

    def leave(self) -> None:
        """Take a user back."""
        with self._lock:
            self._users -= 1
            if self._retired and not self._users:
                self.drained.set()

    def retire(self) -> None:
        """Let nobody in any more."""
        with self._lock:
            self._retired = True
            if not self._users:
                self.drained.set()

    @property
    def inputs(self) -> Sequence[TensorInfo]:
        """The model's inputs; empty for a model that does not tell."""
        return getattr(self.model, "inputs", ())

    @property
    def outputs(self) -> Sequence[TensorInfo]:
        """The model's outputs; empty for a model that does not tell."""
        return getattr(self.model, "outputs", ())

    @property
    def platform(self) -> str:
        """What runs it."""
        return str(self.model.capabilities().get("backend_id", "unknown"))


class ActiveModels(Protocol):
    """Where a server gets its model from: the engine."""

    def borrow(self) -> ContextManager[ActiveModel]:
        """Return a context in which the active model stays loaded."""
        ...

    def run(self, feed: Feed) -> Answer:
        """Return the answer of the active model."""
        ...

    def read_counters(self) -> Dict[str, int]:
        """Return the engine's counters."""
        ...


def find_difference(one: Any, other: Any) -> Optional[str]:
    """Return in what the tensors of the active model and another one differ (names, types, shapes).

    None where they agree or do not tell.
    """
    for kind in ("inputs", "outputs"):
        left, right = (_describe(getattr(model, kind, None)) for model in (one, other))
        if left is not None and right is not None and left != right:
            return "{} are {} and {}".format(kind, left, right)
    return None


def _describe(tensors: Optional[Sequence[TensorInfo]]) -> Optional[List[Any]]:
    """Return tensors as (name, type, shape), an open dimension as None whatever it is called."""
    if tensors is None:
        return None
    return [
        (name, dtype, [size if isinstance(size, int) and size > 0 else None for size in shape or []])
        for name, dtype, shape in tensors
    ]
