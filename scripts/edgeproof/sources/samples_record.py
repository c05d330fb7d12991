"""`samples.json` as a record that later rooms read: what the samples of a set are, and the shapes of one call."""

import json
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath


def read_samples_kind(path: FilePath) -> str | None:
    """Return what kind of samples an npz file has, such as `random`, from its record; None without a record.

    Samples of a stage are of the kind of the whole model's: what random numbers become on their way is no data either.
    """
    record = read_samples_record(path)
    return record.get("drawn_from", record["kind"]) if record else None


def read_samples_record(path: FilePath) -> Json:
    """Return the record beside the npz file of a sample set, as it is; {} if there is none.

    It is not checked: builds ask before they import what checks documents.
    """
    try:
        record = json.loads(Path(path).with_name("samples.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and "kind" in record else {}
