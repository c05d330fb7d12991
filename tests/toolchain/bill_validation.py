"""Print, as JSON, what CycloneDX's own schema finds wrong in each BILL; null for nothing. Run in `verifiers`."""

import json
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main(paths):
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    found = {path: validator.validate_str(Path(path).read_text()) for path in paths}
    print(json.dumps({path: None if fault is None else str(fault)[:300] for path, fault in found.items()}))


main(sys.argv[1:])
