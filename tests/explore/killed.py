"""A compaction in a process of its own that is killed before its so-manieth step on the disk."""

import os
import signal
import sys
from pathlib import Path
from unittest.mock import patch

from einsim.explore import segments
from einsim.explore.compaction import compact


def main(store, step):
    """Compacts the store; before step `step` of what changes the disk, the process is killed."""
    left = int(step)

    def counted(function):
        def call(*args, **kwargs):
            nonlocal left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return function(*args, **kwargs)

        return call

    def half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            rest(path, content)

    rest = counted(Path.write_bytes)
    steps = {"write_bytes": counted(half), "replace": counted(Path.replace), "unlink": counted(Path.unlink)}
    with patch.multiple(Path, **steps), patch.object(segments, "_sync", counted(segments._sync)):
        compact(segments.Folder(Path(store)), lambda: None)
    print(left)


if __name__ == "__main__":
    main(*sys.argv[1:])
