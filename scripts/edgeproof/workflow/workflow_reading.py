"""The configuration as the workflow reads it: catalogues, campaign, and the key of every job. It needs no Snakemake."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from edgeproof.artifacts.records.formats import list_channels_last_backends
from edgeproof.artifacts.records.package_versions import find_package_version
from edgeproof.core.campaign import Campaign
from edgeproof.core.campaign_files import CampaignFiles, expand_campaign_files, read_campaign_files
from edgeproof.core.campaign_hosts import reach_hosts
from edgeproof.core.campaign_models import add_models
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.cells import Cells
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.pipelines import list_stage_models
from edgeproof.core.preset_builds import add_builds
from edgeproof.core.stages import Stages
from edgeproof.core.targets import Targets

from .job_keys import JobKeys, Versions


class Reading(NamedTuple):
    """What was read. `catalogues`: {kind: {name: document}}, stages of pipelines among the models."""

    files: CampaignFiles
    catalogues: dict[str, dict[str, Json]]
    campaign: Campaign
    keys: JobKeys


@cache
def read_versions(*packages: str) -> Json:
    """Read the workflow's own {package: version}, beside its configuration: a new `.venv` makes again what they
    made.
    """
    return {name: find_package_version(name) for name in packages}


def read_workflow(
    paths: Sequence[Any], values: Mapping[str, Any] | None = None, versions: Versions = read_versions
) -> Reading:
    """Read the workflow's configuration: return the campaign of these files, each laid over those before it, and its
    keys; UserError for a mistake.

    `values`: of `--config`. `versions`: see `job_keys`. Paths are relative to the current folder, as are `config/` and
    `scripts/`.
    """
    catalogues = _read_catalogues()
    files = read_campaign_files(list(paths), dict(values or {}))
    files, catalogues = add_models(files, catalogues, Path("."))
    catalogues = reach_hosts(files, catalogues)
    campaign = expand_campaign_files(files, catalogues)
    return Reading(files, catalogues, campaign, make_keys(campaign, catalogues, versions))


def _read_catalogues() -> dict[str, dict[str, Json]]:
    """Read `config/` for the workflow: {kind: {name: document}}; the stages that pipelines cut are models too, and
    further builds of a preset are presets.
    """
    catalogues = {kind: read_catalogue(kind) for kind in CATALOGUES}
    catalogues["model"] |= list_stage_models(catalogues["pipeline"])
    catalogues["preset"] = add_builds(catalogues["preset"])
    return catalogues


def make_keys(campaign: Campaign, catalogues: Mapping[str, Mapping[str, Any]], versions: Versions) -> JobKeys:
    """Return the JobKeys of the configuration that the workflow read; UserError for a toolchain that has no lock."""
    require_locks(catalogues["preset"])
    return JobKeys(Targets(campaign, Stages(Cells(catalogues), list_channels_last_backends()), catalogues), versions)


def require_locks(presets: Mapping[str, Any], folder: str = "envs") -> None:
    """While the workflow reads its configuration: UserError if a preset names a toolchain without
    `envs/{toolchain}.lock`.

    Nothing could make it, and Snakemake takes a file that is there and that nothing can make for given: what was
    measured with the toolchain before would stay.
    """
    known = sorted(path.stem for path in Path(folder).glob("*.lock"))
    for preset, values in presets.items():
        for key in ("toolchain", "runtime_toolchain"):
            name = values.get(key)
            if name is not None and name not in known:
                raise UserError(
                    f"config/presets/{preset}.yaml: {key} is {name!r}, and there is no {folder}/{name}.lock;"
                    f" there are {', '.join(known)}"
                )
