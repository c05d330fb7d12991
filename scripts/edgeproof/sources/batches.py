"""Which inputs of a model take samples in batches, on their first axis, and which take the entry of a sample whole.

Axis 0 is the batch only where the model leaves it open or fixes it at one size for all inputs. The state of a recurrent
network has its batch on another axis, a sampling rate has no axis at all, and a sequence may come with time first.
"""

from collections.abc import Collection, Sequence

from edgeproof.core.configuration import Json


def list_whole_inputs(inputs: Sequence[Json], declared: Collection[str] = ()) -> list[str]:
    """Return the names, in the model's order, of the inputs that take the entry of a sample whole, not in batches.

    `inputs`: [{name, dtype, shape}]. `declared`: those that the model's configuration says are whole. Besides these: a
    scalar, and an input with a fixed first size other than 1, unless all inputs with axes have that size (the fixed
    batch of the model).
    """
    rest = [item for item in inputs if item["name"] not in declared and item["shape"]]
    first = {item["shape"][0] for item in rest}
    whole = {item["name"] for item in rest if len(first) > 1 and _is_fixed(item["shape"][0])}
    batched = {item["name"] for item in rest} - whole
    return [item["name"] for item in inputs if item["name"] not in batched]


def find_fixed_batch(inputs: Sequence[Json], whole: Collection[str] = ()) -> int:
    """Return how many samples every call of a model takes: its fixed batch, 1 where the model leaves it open."""
    sizes = {item["shape"][0] for item in inputs if item["shape"] and item["name"] not in whole}
    return next((size for size in sizes if isinstance(size, int)), 1)


def _is_fixed(size: int | str) -> bool:
    return isinstance(size, int) and size != 1
