"""Was the accelerator used? What ran where, from the runtime's own record of one more inference, after the timed loop.

What a runtime lists as available, or as the providers of a session, proves nothing: it falls back node by node.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, cast

from .failures import Verdict
from .specs import Report

_MOST_NAMED = 20


class Executed(NamedTuple):
    """One node that ran. `where`: execution provider, device or delegate; `spent_ns`: None where nothing says."""

    name: str
    operator: str
    where: str
    spent_ns: Optional[float]


def judge_use(requested: str, source: str, nodes: Sequence[Executed]) -> Report:
    """Return whether the accelerator was used, and what ran where: {requested, source, nodes, share_nodes, share_time,
    others, others_count}.

    `requested`: the accelerator; `source`: where the nodes are from. Verdict `accelerator_unused` if it ran none of
    them. A node that the accelerator has fused counts as one; `share_time` is None where a node's time is unknown.
    """
    counts: Dict[str, int] = {}
    for node in nodes:
        counts[node.where] = counts.get(node.where, 0) + 1
    own = [node for node in nodes if node.where == requested]
    others = [node for node in nodes if node.where != requested]
    if not own:
        elsewhere = ", ".join("{} on {}".format(count, where) for where, count in sorted(counts.items())) or "none ran"
        message = "{} was asked for and ran no node ({}: {})".format(requested, source, elsewhere)
        raise Verdict("accelerator_unused", message)
    total = sum(node.spent_ns or 0.0 for node in nodes)
    timed = total > 0 and all(node.spent_ns is not None for node in nodes)
    return {
        "requested": requested,
        "source": source,
        "nodes": dict(sorted(counts.items())),
        "share_nodes": len(own) / len(nodes),
        "share_time": sum(node.spent_ns or 0.0 for node in own) / total if timed else None,
        "others": ["{} ({}) on {}".format(*node[:3]) for node in others[:_MOST_NAMED]],
        "others_count": len(others),
    }


def read_onnxruntime_profile(path: str, runs: int) -> List[Executed]:
    """Return which nodes the accelerator ran and which ran elsewhere, from a profile that ONNX Runtime wrote.

    Each has its mean time per run; `runs`: how many equal runs the profile has.
    """
    with open(path, encoding="utf-8") as stream:
        events: List[Any] = json.load(stream)
    found: Dict[str, Executed] = {}
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
            continue
        name, facts = event["name"][: -len("_kernel_time")], event["args"]
        before = found.get(name)
        spent = event["dur"] * 1e3 / runs + (cast(float, before.spent_ns) if before else 0.0)
        found[name] = Executed(name, facts["op_name"], facts.get("provider") or "unknown", spent)
    return list(found.values())


def list_delegated(operators: Sequence[Dict[str, Any]], delegate: str) -> List[Executed]:
    """Return the accelerator (`delegate`), or the CPU, that runs each node of a TFLite interpreter, as a list of nodes.

    `operators`: as `_get_ops_details` lists them. Nodes that a delegate has taken stay in the list, and the delegate's
    own node has their outer inputs and outputs: a node between these two is the delegate's. Times are not known.
    """
    plain = [item for item in operators if item["op_name"] != "DELEGATE"]
    makers: Dict[int, Dict[str, Any]] = {int(tensor): item for item in plain for tensor in item["outputs"]}
    taken: Set[int] = set()
    for partition in operators:
        if partition["op_name"] != "DELEGATE":
            continue
        outer = {int(tensor) for tensor in partition["inputs"]}
        waiting = [int(tensor) for tensor in partition["outputs"]]
        while waiting:
            tensor = waiting.pop()
            maker = makers.get(tensor)
            if tensor in outer or maker is None or int(maker["index"]) in taken:
                continue
            taken.add(int(maker["index"]))
            waiting += [int(each) for each in maker["inputs"]]
    return [
        Executed(str(item["index"]), item["op_name"], delegate if int(item["index"]) in taken else "CPU", None)
        for item in plain
    ]
