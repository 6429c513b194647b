"""The cascades that einsim ships, as texts."""

from pathlib import Path

import einsim.cascade
from einsim.cascade import Cascade, parse

FOLDER = Path(einsim.cascade.__file__).parent.parent / "zoo"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.cascade"), key=lambda p: p.stem)}


def load(name: str) -> Cascade:
    return parse(TEXTS[name], f"{name}.cascade")
