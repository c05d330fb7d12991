"""Which pages a campaign's report has: one where it is small, else a first page and one page for each model."""

from collections.abc import Collection, Iterable, Sequence

from .layout import FilePath, evidence_folder

# A page grows by 15 kB per cell and 10 kB per comparison, so that one page of these many is about 1 MB, which opens at
# once on a telephone and can still be scrolled by hand.
CELLS_ON_ONE_PAGE = 40
COMPARISONS_ON_ONE_PAGE = 40
PAGE_KINDS = ("html", "md")


def list_page_models(cells: Iterable[Sequence[str]], comparisons: Collection[str]) -> list[str]:
    """Return which models have pages of their own in a campaign's report; none where one page holds all.

    In the order of the cells. `cells`: (model, …) each. `comparisons`: names.
    """
    models = [cell[0] for cell in cells]
    if len(models) <= CELLS_ON_ONE_PAGE and len(comparisons) <= COMPARISONS_ON_ONE_PAGE:
        return []
    return list(dict.fromkeys(models))


def model_page(folder: FilePath, model: str, kind: str) -> str:
    """Return the path of a model's page among a report's pages, in the folder of the first.

    `kind`: one of `PAGE_KINDS`.
    """
    return f"{folder}/models/{model}.{kind}"


def list_model_pages(campaign: str, cells: Iterable[Sequence[str]], comparisons: Collection[str]) -> list[str]:
    """Return the paths of the pages that a campaign's report has for models."""
    models = list_page_models(cells, comparisons)
    return [model_page(evidence_folder(campaign), model, kind) for model in models for kind in PAGE_KINDS]
