"""What a reader has to know beside the numbers of a plan: a few notes that follow from scenario and document."""

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import Place, Scenario


def list_notes(scenario: Scenario, document: Json) -> list[str]:
    """Return the notes of a plan document; `notes` itself may be missing."""
    notes, robustness = [], document["robustness"]
    if any(option.accuracy_drop for stage in scenario.stages for option in stage.options):
        notes.append("accuracy_drop of a plan is the sum of its stages' drops: an approximation")
    if robustness is None:
        if not scenario.stage_error and not any(quantity.uncertain for quantity in scenario.quantities.values()):
            notes.append("no robustness: no number of the scenario carries samples or an interval")
        elif not document["plans"]:
            notes.append("no robustness: there is no plan")
        else:
            notes.append("no robustness: not asked for")
    elif robustness["fixed_numbers"]:
        notes.append(f"{robustness['fixed_numbers']} numbers have no interval (they are declared) and were held fixed")
    if scenario.energy_missing:
        notes.append(f"energy is unknown: {scenario.energy_missing} has none")
    if document["scenario"]["memory_rule"] == "pipelined":
        notes.append("memory is counted for all stages at once, tensors between them twice, because inputs overlap")
    if document["status"].endswith("(one engine)"):
        reason = "the space is too large for the second proof"
        if scenario.contention:
            reason = "the second proof knows only what stages take undisturbed"
        notes.append(f"one engine: nothing but CP-SAT proves this; {reason}")
    if document["certificate"]["ended_by"] not in ("proof", "effort"):
        notes.append(f"the search was ended by the {document['certificate']['ended_by']}")
    provenances = {quantity.provenance for quantity in scenario.quantities.values()}
    measured = [place for place, quantity in scenario.quantities.items() if quantity.provenance == "measured"]
    if provenances - {"measured"} and measured:
        others = [place for place, quantity in scenario.quantities.items() if quantity.provenance != "measured"]
        example = name_resampled_number(scenario, others[0])
        notes.append(f"{len(measured)} numbers are measured, {len(others)} are not, such as {example}")
    return notes


def name_resampled_number(scenario: Scenario, place: Place) -> str:
    """Return the name that a plan's notes give a resampled number: `stage on device (variant): key`."""
    if place[0] == "link":
        link = scenario.links[place[1]]
        return f"{scenario.devices[link.source].name} → {scenario.devices[link.target].name}: {place[2]}"
    if place[0] == "contention":
        row = scenario.contention[place[1]]
        return f"{scenario.devices[row.slowed].name} slowed by {scenario.devices[row.by].name}: {place[2]}"
    stage = scenario.stages[place[1]]
    option = stage.options[place[2]]
    variant = f" ({option.variant})" if option.variant else ""
    return f"{stage.name} on {scenario.devices[option.device].name}{variant}: {place[3]}"
