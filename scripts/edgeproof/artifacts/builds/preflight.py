"""Pre-flight: the nodes of a model that a target cannot run, found before anything is built.

A target is judged by its operator table, which says for a node why the target cannot run it. ONNX Runtime's table asks
its registry of kernels. For a target without a registry, write an `OperatorTable`. To add a backend, enter it in
TABLES.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import onnx
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as registry  # pyright: ignore[reportAttributeAccessIssue]

from edgeproof.sources.onnx_graphs import iterate_nodes, read_opset_versions
from edgeproof.sources.onnx_types import infer_types, name_dtype

from .build_failures import BuildError, describe_node

_OPEN_END = 2**31 - 1  # the last version of a kernel without an end
_ONNX_TYPES = {"float32": "float", "float64": "double"}  # numpy's name to ONNX's, where they differ
_OF_ITS_OWN = (
    "it comes from a library of its own: run the model in the SDK that has it, or cut the model there and run the "
    "other part here"
)
_CAST_BY_RUNTIME = {"float16"}  # on a CPU, ONNX Runtime computes in float32 what has no float16 kernel


class Table(Protocol):
    """The operator table of a target."""

    def explain(self, node: onnx.NodeProto, opset: int, dtypes: dict[str, str]) -> str | None:
        """Return why a pre-flight's target cannot run a node, None if it can."""
        ...


@dataclass(frozen=True)
class Blocker:
    """A node that the target cannot run. `node`: in words, with operator and opset; `why`: what is missing."""

    node: str
    operator: str
    domain: str
    opset: int | None
    why: str

    def __str__(self) -> str:
        return f"{self.node}: {self.why}"


@dataclass(frozen=True)
class OperatorTable:
    """The operators that a target can run, as its documentation lists them.

    `operators`: `{operator: condition}`, where the condition is None or a function `(node, opset, dtypes)` that returns
    why this node cannot run, or None. Names outside the ONNX standard include the domain (`com.acme.Frobnicate`).
    """

    target: str
    operators: dict[str, Callable[[onnx.NodeProto, int, dict[str, str]], str | None] | None]

    def explain(self, node: onnx.NodeProto, opset: int, dtypes: dict[str, str]) -> str | None:
        """Return why a pre-flight's target cannot run a node, None if it can. `dtypes`: numpy's names by tensor."""
        name = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        if name not in self.operators:
            return f"{self.target} has no such operator"
        condition = self.operators[name]
        return condition and condition(node, opset, dtypes)


class OnnxRuntimeTable:
    """What the ONNX Runtime of this interpreter can run on one execution provider, according to its registry."""

    def __init__(self, provider: str = "CPUExecutionProvider") -> None:
        self.target = f"ONNX Runtime {onnxruntime.__version__}"
        self.provider = provider
        self._kernels = {}
        for kernel in registry.get_all_opkernel_def():
            if kernel.provider == provider:
                self._kernels.setdefault((kernel.domain, kernel.op_name), []).append(kernel)

    def explain(self, node: onnx.NodeProto, opset: int, dtypes: dict[str, str]) -> str | None:
        """Return why ONNX Runtime cannot run a node (pre-flight), None if it can. `dtypes`: numpy's names by tensor."""
        domain = "" if node.domain == "ai.onnx" else node.domain
        schema = _find_schema(domain, node.op_type, opset)
        versions = [schema.since_version] if schema else self._versions.get((domain, node.op_type))
        if versions is None:
            own = f"; {_OF_ITS_OWN}" if domain not in self._domains else ""
            return f"{self.target} has no such operator{own}"
        if min(versions) > opset:
            return f"{self.target} has this operator from opset {min(versions)} on"
        since = max(version for version in versions if version <= opset)
        kernels = [
            item for item in self._kernels.get((domain, node.op_type), ()) if _covers_version(item.version_range, since)
        ]
        if not kernels:
            if (domain, node.op_type) == ("", "Constant"):
                return None  # becomes an initializer when it is loaded
            if schema and (schema.has_function or schema.has_context_dependent_function):
                return None  # expanded into operators that have kernels
            return f"{self.provider} of {self.target} has no kernel for it"
        return schema and self._explain_types(node, schema, kernels, dtypes)

    @functools.cached_property
    def _versions(self):
        """`{(domain, operator): versions}` of all operators of ONNX Runtime; listing them takes longer than judging."""
        versions = {}
        for schema in registry.get_all_operator_schema():
            versions.setdefault((schema.domain, schema.name), []).append(schema.since_version)
        return versions

    @functools.cached_property
    def _domains(self) -> set[str]:
        """The domains of the operators that ONNX Runtime has; the others belong to libraries of their own."""
        return {domain for domain, _ in self._versions}

    def _explain_types(self, node, schema, kernels, dtypes):
        for index, name in enumerate(node.input):
            dtype = dtypes.get(name)
            if not name or dtype is None or dtype in _CAST_BY_RUNTIME or not schema.inputs:
                continue
            formal = schema.inputs[min(index, len(schema.inputs) - 1)].type_str
            known = [item.type_constraints[formal] for item in kernels if formal in item.type_constraints]
            taken, kind = sorted({kind for kinds in known for kind in kinds}), dtype.replace("_", "")
            if len(known) == len(kernels) and f"tensor({_ONNX_TYPES.get(kind, kind)})" not in taken:
                has = f"{self.provider} of {self.target} has kernels for {', '.join(taken)}"
                return f"its input {name!r} is {dtype}, {has}"
        return None


@functools.cache
def onnxruntime_table() -> OnnxRuntimeTable:
    """Return the OnnxRuntimeTable of the CPU for pre-flight; it is made once per process."""
    return OnnxRuntimeTable()


# Backend: how to get its table. A backend without one is not judged before a build.
TABLES: dict[str, Callable[[], Table]] = {"onnxruntime": onnxruntime_table}


def list_blockers(model: onnx.ModelProto, table: Table) -> list[Blocker]:
    """Return a pre-flight's Blocker for every node that `table` cannot run, in subgraphs and functions too.

    A call of one of the model's own functions is judged by the nodes of the function.
    """
    dtypes = _infer_dtypes(model)
    local = {(function.domain, function.name) for function in model.functions}
    scopes = [(model.graph.node, read_opset_versions(model.opset_import))]
    scopes += [(function.node, read_opset_versions(function.opset_import)) for function in model.functions]
    blockers = []
    for nodes, versions in scopes:
        for node in iterate_nodes(nodes):
            domain = node.domain or "ai.onnx"
            opset = versions.get(domain)
            if (node.domain, node.op_type) in local:
                continue
            if opset is None:
                why = "the model imports no operator set of its domain"
            else:
                why = table.explain(node, opset, dtypes)
            if why:
                blockers.append(Blocker(describe_node(node, versions), node.op_type, domain, opset, why))
    return blockers


def check_operators(source: str | Path, model: onnx.ModelProto, backend: str) -> list[Blocker]:
    """Return the Blockers that pre-flight finds in the ONNX file `source` (loaded as `model`) for a backend.

    [] for none, or without a table. ONNX Runtime decides about itself: a model that it loads has no blocker, whatever
    its registry seems to say.
    """
    if backend not in TABLES:
        return []
    blockers = list_blockers(model, TABLES[backend]())
    return [] if blockers and backend == "onnxruntime" and _loads_in_runtime(source) else blockers


def require_operators(source: str | Path, model: onnx.ModelProto, backend: str) -> None:
    """Raise BuildError (unsupported_operator) with the first node that `backend` cannot run, as pre-flight says."""
    if blockers := check_operators(source, model, backend):
        rest = f"; {len(blockers) - 1} more nodes cannot be run either" if len(blockers) > 1 else ""
        raise BuildError("unsupported_operator", f"{blockers[0]}{rest}")


def _infer_dtypes(model: onnx.ModelProto) -> dict[str, str]:
    """Return `{tensor: dtype}` of the main graph, in numpy's names, as far as ONNX can infer them."""
    graph = infer_types(model)
    types = {item.name: item.data_type for item in model.graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.elem_type:
            types[value.name] = value.type.tensor_type.elem_type
    return {name: name_dtype(kind) for name, kind in types.items()}


def _find_schema(domain: str, operator: str, opset: int) -> Any:
    """Return the standard's schema of an operator as of `opset`, None if it has none."""
    try:
        return onnx.defs.get_schema(operator, max_inclusive_version=opset, domain=domain)
    except onnx.defs.SchemaError:
        return None


def _covers_version(versions, since):
    """Tell whether a kernel of versions (first, last) runs an operator that was last changed in version `since`.

    ONNX Runtime decides like this: a kernel without an end runs only the version that it was written for.
    """
    first, last = versions
    return first == since or (last != _OPEN_END and first <= since <= last)


def _loads_in_runtime(source):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    except Exception:  # whatever the runtime raises, it cannot load the model
        return False
    return True
