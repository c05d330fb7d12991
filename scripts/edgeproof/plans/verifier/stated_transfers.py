"""Pairs the transfers that a plan states with the copies that its placement needs, tensor by tensor."""

from edgeproof.core.configuration import Json

from .ledger import Copy, Ledger
from .verdict import Verdict

CopyKey = tuple[int, int, int]  # tensor, source device, target device


def key_copy(copy: Copy) -> CopyKey:
    """Return what pairs a copy with the stated transfer of a plan, and tells it from all others."""
    return copy.tensor, copy.source, copy.target


def pair_transfers(
    verdict: Verdict, ledger: Ledger, plan: Json, copies: list[Copy], where: str
) -> dict[CopyKey, Json] | None:
    """Return the stated transfer (its row) of every copy; None where they do not fit one to one, which is noted.

    A tensor is known by the stage that makes it and by its own name, so that tensors of equal size do not mix.
    """
    scenario = ledger.scenario
    names = [device.name for device in scenario.devices]
    said = {}
    for row in plan["transfers"]:
        key = (row["source_stage"], row["tensor"], row["source_device"], row["target_device"])
        verdict.expect(key not in said, f"{where}: two transfers of {_name_tensor(row)} to {row['target_device']}")
        said[key] = row
    pairs, needed = {}, len(copies)
    for copy in copies:
        tensor = scenario.tensors[copy.tensor]
        producer = None if tensor.producer is None else scenario.stages[tensor.producer].name
        row = said.get((producer, tensor.name or None, names[copy.source], names[copy.target]))
        told = f"no transfer of {producer or 'the input'} to {names[copy.target]}"
        verdict.expect(row is not None, f"{where}: {told}")
        if row is not None:
            pairs[key_copy(copy)] = row
    verdict.expect(len(plan["transfers"]) == needed, f"{where}: {len(plan['transfers'])} transfers, needed {needed}")
    return pairs if len(pairs) == needed == len(plan["transfers"]) else None


def _name_tensor(row: Json) -> str:
    """Return what a stated transfer carries, in words."""
    return row["source_stage"] or "the input"


def verify_transfers(
    verdict: Verdict, ledger: Ledger, pairs: dict[CopyKey, Json], copies: list[Copy], where: str
) -> None:
    """Check who waits for each stated transfer, and what it costs; times are checked with the events."""
    scenario = ledger.scenario
    for copy in copies:
        row = pairs[key_copy(copy)]
        place = f"{where}: transfer of {_name_tensor(row)} to {row['target_device']}"
        reader = None if copy.rank == len(ledger.rank) else scenario.stages[scenario.order[copy.rank]].name
        verdict.same(row["target_stage"], reader, f"{place}: target_stage")
        verdict.compare(row["size_mb"], ledger.sizes[copy.tensor], f"{place}: size_mb")
        verdict.compare(row["latency_ms"], copy.latency, f"{place}: latency_ms")
        verdict.compare_energy(row["energy_mj"], copy.energy, scenario.energy_missing, f"{place}: energy_mj")
