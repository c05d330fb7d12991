"""Two sets of samples with none in common, from one table."""

from typing import NamedTuple

import numpy as np

from edgeproof.core.errors import UserError
from edgeproof.sources.samples import MINIMUM_CALIBRATION, digest_samples

from .sample_tables import Array, SampleTable

CALIBRATION = 256  # samples that choose int8 ranges, where there are enough
EVALUATION = 500  # more make parity slow and hardly surer
_SEED = 0


class Split(NamedTuple):
    """Arrays of each set by name, and how many samples were left out because an equal one is there."""

    calibration: dict[str, Array]
    evaluation: dict[str, Array]
    duplicates: int


def split_samples(table: SampleTable, asked: int = MINIMUM_CALIBRATION, needed: int = 0) -> Split:
    """Return the two sets into which one shuffled table is split, each different sample once; UserError for too few.

    `asked`: how many the preset calibrates with; one more is needed. `needed`: how many must evaluate for a decision.
    256 samples calibrate, fewer (but `asked`) where the evaluation needs the others: it gets at least half where there
    are 400 or more, and what is needed where there is enough. At most 500 evaluate, or as many as are needed.
    """
    digests = digest_samples(table.arrays)
    unique = np.array(sorted({digest: index for index, digest in reversed([*enumerate(digests)])}.values()))
    if len(unique) <= asked:
        raise UserError(
            f"{table.origin}, {len(unique)} different, are too few: {asked + 1} different ones are "
            f"needed at least, {asked} to choose the ranges of int8, the others to evaluate; give more, "
            "or leave --samples out (random values)"
        )
    order = np.random.Generator(np.random.PCG64(_SEED)).permutation(unique)
    count = max(asked, min(CALIBRATION, len(unique) // 2, len(unique) - needed))
    first, second = order[:count], order[count : count + max(EVALUATION, needed)]
    calibration = {name: array[first] for name, array in table.arrays.items() if name.startswith("inputs/")}
    evaluation = {name: array[second] for name, array in table.arrays.items()}
    return Split(calibration, evaluation, table.count - len(unique))
