"""`einsim derive`: fewer passes by rewriting, with the laws that justify it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from einsim.analysis.derive import derive as search
from einsim.cli.common import JsonOption, command_line
from einsim.cli.output import print_json, show_result
from einsim.cli.zoo import CascadeArgument
from einsim.errors import Location
from einsim.explore import store
from einsim.report.derivation import derivation_record, derivation_report
from einsim.spec import library


def derive(
    cascade: CascadeArgument,
    *,
    rank: Annotated[
        str | None, Parameter(name="--rank", help="The rank to save passes over; by default the cascade's sequences")
    ] = None,
    out: Annotated[Path | None, Parameter(name="--out", help="Where to write the best cascade found")] = None,
    json: JsonOption = False,
) -> None:
    """Rewrite a cascade so that it needs fewer passes, and show by which laws.

    Every result is compared with the original on random tensors, large and small; every law is checked in symbols.
    Example: einsim derive attention-3pass --rank m
    """
    found = search(library.load_cascade(cascade, at=Location("derive")), rank)
    record = derivation_record(found)
    if out is not None:
        store.write_text(out, record["text"])
    if json:
        print_json(record | {"command": command_line("derive", [cascade], {"--rank": rank})})
    else:
        show_result(derivation_report(record))
