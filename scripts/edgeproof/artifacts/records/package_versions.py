"""The versions of packages that are installed in this interpreter, as records state them."""

import platform
from collections.abc import Iterable


def list_package_versions(tools: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of the named packages in this interpreter."""
    return {"python": platform.python_version(), **{name: find_package_version(name) for name in sorted(tools)}}


def find_package_version(package: str) -> str:
    """Return the version of a package in this interpreter; ONNX Runtime has another name with CUDA.

    importlib.metadata.PackageNotFoundError if there is neither.
    """
    from importlib import metadata  # slow to import, and most records list packages of another interpreter

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return metadata.version(f"{package}-gpu")
