"""A sweep with a store in a process of its own, which notes what it evaluates and what it reports, line by line."""

import os
import sys
import time
from pathlib import Path
from unittest.mock import patch

from einsim.explore import keeping, work, workers
from einsim.explore.resultstore import ResultStore
from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, Means, run_sweep


def main(file, store, log, engine, pause):
    """Runs the sweep, slowly, in small parts that are written often; its table is beside the log in the end."""
    space = load_space(Path(file))
    notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(what, indices):
        os.write(notes, "".join(f"{what} {index}\n" for index in indices).encode())

    def evaluate(part):
        note("evaluated", part.source.lead(part.box)[0])
        time.sleep(float(pause))
        return work.evaluate_work(part)

    small = patch.multiple(keeping, _FIRST_S=0.03, _SHARE=0.0)
    with small, patch.object(work, "_BLOCK", 40), patch.object(workers, "evaluate_work", evaluate):
        tables = []
        means = Means(store=ResultStore(Path(store)))
        for table in run_sweep(space, lambda _: None, Engine(engine), means):
            note("reported", table["index"])
            tables.append(table)
    finish(space, tables).write_parquet(f"{log}.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
