"""The campaign that comes with a new model: what it measures, and what it can show of its criteria at best."""

import argparse
from pathlib import Path
from typing import NamedTuple

from edgeproof.comparability.criteria import read_criteria
from edgeproof.comparability.decision_outlook import (
    SampleSets,
    can_decide_accuracy,
    count_evaluation_samples,
    describe_outlook,
    find_protocol,
)
from edgeproof.core.campaign import DEFAULT_CRITERIA
from edgeproof.core.catalogues import read_catalogue, read_catalogue_entry
from edgeproof.core.errors import UserError
from edgeproof.core.suggestions import suggest_words

from .model_texts import render_campaign

_FIRST_LOOK = "quick"


class NewCampaign(NamedTuple):
    """The text of `config/NAME.yaml`, the profile that runs it, and what to know about it."""

    text: str
    profile: str
    notes: list[str]


def compose_campaign(
    name: str, precisions: list[str], options: argparse.Namespace, sets: SampleSets, root: Path
) -> NewCampaign:
    """Return the campaign of a new model that compares the first precision with each other.

    `options`: names of preset, device and protocol; without a protocol it is the shortest that can end in a decision on
    these sets of samples, and a first look where none can.
    """
    criteria = read_criteria(root / f"config/criteria/{DEFAULT_CRITERIA}.yaml")
    protocols = read_catalogue("protocol", root / "config")
    shortest = find_protocol(criteria, protocols) if can_decide_accuracy(criteria, sets) else None
    protocol = options.protocol or shortest or _FIRST_LOOK
    outlook = describe_outlook(DEFAULT_CRITERIA, criteria, sets, protocol, protocols)
    profile = options.device if (root / "profiles" / options.device).is_dir() else "local"
    where = {"preset": options.preset, "device": options.device, "protocol": protocol, "profile": profile}
    return NewCampaign(render_campaign(name, precisions, where, outlook), profile, outlook)


def count_needed_samples(root: Path) -> int:
    """Return how many samples must evaluate, at least, for a decision by the criteria of a new campaign."""
    return count_evaluation_samples(read_criteria(root / f"config/criteria/{DEFAULT_CRITERIA}.yaml"))


def choose_precisions(preset: str, asked: str | None, root: Path) -> list[str]:
    """Return the precisions of a new campaign: those asked for, with commas, or all of the preset; the first is the
    left side of each comparison. UserError for one that the preset does not have.
    """
    known = read_catalogue_entry("preset", preset, root)["precisions"]
    if asked is None:
        return known
    chosen = list(dict.fromkeys(word.strip() for word in asked.split(",") if word.strip()))
    if wrong := [word for word in chosen if word not in known]:
        meant = suggest_words(wrong[0], known)
        raise UserError(f"--precisions {asked}: preset {preset} has {', '.join(known)}, not {wrong[0]}{meant}")
    if not chosen:
        raise UserError(f"--precisions: name at least one of {', '.join(known)}")
    return chosen
