"""AccelForge's mapper on a file of ours, in an interpreter of its own (Python 3.12): prints one line of JSON.

`accelforge_map.py FILE FIELDS`: FIELDS are the values of the file's placeholders, as JSON.
"""

import json
import sys
import time
from importlib.metadata import version


def main() -> None:
    """Maps and prints wall seconds (imports left out) and the latency found, s."""
    import accelforge  # type: ignore[import-not-found]  # noqa: PLC0415 - not in einsim's environment

    started = time.perf_counter()
    spec = accelforge.Spec.from_yaml(sys.argv[1], jinja_parse_data=json.loads(sys.argv[2]))
    spec.mapper.metrics = accelforge.Metrics.LATENCY
    found = spec.map_workload_to_arch(print_progress=False)
    wall_s = time.perf_counter() - started
    print(json.dumps({"wall_s": wall_s, "latency_s": float(found.latency()),
                      "version": version("accelforge")}))  # fmt: skip


main()
