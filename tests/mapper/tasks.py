"""Small machines and cascades, and published designs, for the tests of the mapper."""

from einsim.cascade import parse, size_parameters
from einsim.mapper.task import Task
from einsim.model.closed_form import evaluate
from einsim.spec import library
from einsim.spec.configuration import load_architecture, load_design
from einsim.spec.workload import Workload, attention, find_model

CASCADES = {
    "dot": "input A[k], B[k]\noutput Z\nZ = A[k] * B[k]",
    "vector": "input A[k,m], B[k]\noutput Z\nZ[m] = A[k,m] * B[k]",
    "chain": "input X[m]\noutput B\nA[m] = X[m] * X[m]\nB[m] = A[m] + X[m]",
    "normed": "input X[m]\noutput Y\nS = X[m]\nY[m] = X[m] / S",
    "tiled": "input X[m]\noutput Y\nsplit m into m1, m0 by M0\nBX[m1,m0] = X[m1*M0+m0]\nLS[m1] = BX[m1,m0]\nY = LS[m1]",
    "product": "input A[k,m], B[k,n]\noutput Z\nZ[m,n] = A[k,m] * B[k,n]",
}


def cascade(name: str):
    """A small cascade, or a shipped one."""
    return parse(f"cascade {name}\n{CASCADES[name]}") if name in CASCADES else library.load_cascade(name)


def given_sizes(name):
    """The sizes that a workload gives a cascade: all but those of tiles."""
    found = cascade(name)
    tiles = {split.size for split in found.splits}
    return [size for size in size_parameters(found) if size not in tiles]


def machine(*, lanes: int = 3, grid: tuple[int, int] | None = None, capacity: int = 24):
    """A machine that states its own costs, with another buffer and other arrays: only lanes where there is no grid."""
    whole = load_architecture("fusemax-small")
    arrays = {"array1d": whole.arrays["array1d"].model_copy(update={"lanes": lanes})}
    if grid is not None:
        arrays["array2d"] = whole.arrays["array2d"].model_copy(update={"rows": grid[0], "columns": grid[1]})
    buffer = whole.memories["buffer"].model_copy(update={"capacity_bytes": capacity})
    dram = whole.memories["dram"].model_copy(update={"duplex": False, "bandwidth_bytes_per_s": 10**9})
    return whole.model_copy(update={"arrays": arrays, "memories": {"dram": dram, "buffer": buffer}})


def task(name: str, sizes: dict[str, int], **parts) -> Task:
    """A small cascade on a small machine."""
    return Task(cascade(name), machine(**parts), Workload(tuple(sizes.items())), name, "small")


def bert(name: str, architecture: str, seq_len: int) -> Task:
    """A shipped cascade of BERT's attention on a shipped machine."""
    workload = attention(find_model(library.load_models(), "BERT"), seq_len)
    return Task(library.load_cascade(name), load_architecture(architecture), workload, name, architecture)


def published(configuration: str, task: Task):
    """What the closed form says of a shipped mapping."""
    return evaluate(load_design(configuration, task.workload))
