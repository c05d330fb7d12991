"""What served families can take, as plain data for the section on adaptation."""

from edgeproof.adaptation.service_words import list_loads, say_capacity
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import SPACE, format_number

from .collecting import ServiceEvidence, link_from


def describe_services(services: list[ServiceEvidence], page: FilePath) -> list[Json]:
    """Return what the page shows of served families, one dict each; links are relative to the folder of `page`."""
    return [_describe(item, page) for item in services]


def _describe(item: ServiceEvidence, page: FilePath) -> Json:
    document = item.document
    family, device = document["family"], document["device"]
    return {
        "name": f"{family} on {device}, served",
        "anchor": f"service-{family}-{device}",
        "sentence": say_capacity(document["capacity"]),
        "rows": [_describe_load(name, row) for name, row in list_loads(document)],
        "links": [
            {"name": path.rsplit("/", 1)[-1], "href": link_from(page, path)}
            for path in (item.paths["service"], item.paths["raw"])
        ],
    }


def _describe_load(name: str, row: Json) -> Json:
    p50, p99 = (row["latency"][key] for key in ("p50_ms", "p99_ms"))
    return {
        "load": name,
        "rate": format_number(row["per_second"]),
        "p50": f"{format_number(p50['value'])}{SPACE}ms",
        "p99": f"{format_number(p99['value'])}{SPACE}ms",
        "interval": f"{format_number(p99['low'])} to {format_number(p99['high'])}{SPACE}ms",
        "failed": str(row["failed"]),
    }
