"""Machine code on disk, from one run to the next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

FOLDER: Final = Path(__file__).parent / "__pycache__"
"""Beside what Python keeps of its own."""


def kept(name: str, make: Callable[[], bytes], folder: Path = FOLDER) -> bytes:
    """What a file keeps, behind its digest; made, and kept for the next time, where it is not there or not whole.

    Where nothing can be written it is made every time.
    """
    path = folder / name
    with suppress(OSError):
        digest, _, code = path.read_bytes().partition(b"\n")
        if hashlib.sha256(code).hexdigest().encode() == digest:
            return code
    code = make()
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        with NamedTemporaryFile(dir=folder, delete=False) as file:  # others may read or write it now
            file.write(hashlib.sha256(code).hexdigest().encode() + b"\n" + code)
        Path(file.name).replace(path)
    return code
