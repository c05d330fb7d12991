"""The task that a model declares: what its outputs mean, and so what accuracy is.

A task is a word (`classification`, `regression`, `none`), or says how it is judged: `{detection: {…}}`, or
`{evaluator: script}`, a program of the user's.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .configuration import Json

Task = str | Mapping[str, Any]


def name_task(task: Task, digest: Callable[[str], str | None]) -> str:
    """Return a task in one line. Two results may only meet if their tasks read the same, so it holds all that decides.

    `digest`: of a file, None if it is not there.
    """
    if isinstance(task, str):
        return task
    if evaluator := task.get("evaluator"):
        return f"evaluator {evaluator} ({(digest(evaluator) or 'missing')[:12]})"
    options = task["detection"]
    limits = f"score {options['score_threshold']:g}, IoU {options['iou_threshold']:g}"
    judged = "COCO mAP; F1 and matched rows" if "labels" in options else "matched rows"
    return f"detection ({judged} at {limits})"


def list_task_files(task: Task) -> list[str]:
    """Return the files that judging a task reads: an evaluator's script, or the labels of a detector, if it has any."""
    if isinstance(task, str):
        return []
    named = task["evaluator"] if "evaluator" in task else task["detection"].get("labels")
    return [named] if named else []


def name_sample_task(task: Task) -> str:
    """Return the task for which a sample set must have answers: one that is judged by files needs none in the set."""
    return task if isinstance(task, str) else "none"


def describe_judge(task: Task) -> Json | None:
    """Return how a model's task is judged, where the task says so itself; None for one that is a word."""
    return None if isinstance(task, str) else dict(task)
