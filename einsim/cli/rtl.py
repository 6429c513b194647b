"""`einsim rtl`: hardware from a mapped design, tested against the golden arithmetic and the cycle model."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from einsim.cli.common import ArchOption, JsonOption, SetOption, ShapeOption, command_line
from einsim.cli.output import print_json, show_result
from einsim.cosim.area import measure
from einsim.cosim.campaign import campaign_record, run_campaign, watch
from einsim.cosim.subject import Subject, load_subject
from einsim.errors import Location, SpecError
from einsim.report.area import measured_record, measured_report
from einsim.report.hardware import campaign_report, generated_record, generated_report
from einsim.rtl.builds import write_modules
from einsim.rtl.formats import FP32, INT32, Integer, named
from einsim.spec.overrides import parse_override
from einsim.spec.workload import parse_shape

app = App(name="rtl", help="Generate hardware, test it, and measure it.", help_format="plaintext")

Configuration = Annotated[str, Parameter(help="A mapping: a shipped name or a file")]
FormatOption = Annotated[str, Parameter(name="--format", help="Format of operands: bf16, fp16, int8 or int16")]


@app.command
def generate(
    configuration: Configuration,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="Folder for the files; made if need be")],
    shape: ShapeOption = None,
    arch: ArchOption = None,
    set_: SetOption = None,
    operand: FormatOption = "bf16",
    diagram: Annotated[Path | None, Parameter(help="Write a picture of its blocks (SVG, PNG, PDF)")] = None,
    json: JsonOption = False,
) -> int:
    """Generate SystemVerilog of a mapped design, a module a file.

    Example: einsim rtl generate fusemax-small --shape E=16,F=16 -o build/fusemax --diagram blocks.svg
    """
    check_picture(diagram, "--diagram")
    subject = _subject(configuration, shape, arch, set_, operand)
    if out.exists() and not out.is_dir():
        raise SpecError(f"{str(out)!r} is no folder", at=Location("--out"), remedy="name a folder")
    files = [out / name for name in write_modules(subject.generated.modules, out)]
    if diagram is not None:
        from einsim.report import diagram as diagrams  # noqa: PLC0415 - matplotlib takes long to import
        from einsim.report.drawing import save_as  # noqa: PLC0415 - likewise

        save_as(diagrams.diagram(subject.generated), diagram, "--diagram")
    record = generated_record(subject.generated, files)
    if json:
        print_json(record)
    else:
        show_result(generated_report(record))
    return 0


@app.command(name="test")
def cosimulate(
    configuration: Configuration,
    *,
    shape: ShapeOption = None,
    arch: ArchOption = None,
    set_: SetOption = None,
    operand: FormatOption = "bf16",
    seed: Annotated[
        int, Parameter(help="Of random inputs and back-pressure; printed, so that a run can be repeated")
    ] = 0,
    runs: Annotated[int, Parameter(help="How many runs, with seeds one after the other")] = 4,
    engine: Annotated[Literal["cpp", "cocotb"], Parameter(help="What drives the simulation")] = "cpp",
    steady: Annotated[bool, Parameter(negative="", help="No back-pressure on the streams")] = False,
    build: Annotated[Path | None, Parameter(help="Folder for simulations; kept, so that the next run is quick")] = None,
    waves: Annotated[
        Path | None, Parameter(help="Write a timing diagram of one epoch of the first run (SVG, PNG, PDF)")
    ] = None,
    epoch: Annotated[
        int | None, Parameter(help="Which epoch --waves shows; the one in the middle if not given")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Simulate generated hardware, and compare every bit with the arithmetic and every cycle with the cycle model.

    Example: einsim rtl test fusemax-small --shape E=16,F=16,M=128,P=100 --seed 7
    """
    if runs < 1:
        raise SpecError(f"{runs} runs", at=Location("--runs"), remedy="at least 1")
    check_picture(waves, "--waves")
    subject = _subject(configuration, shape, arch, set_, operand)
    folder = build or build_folder()
    comparisons = run_campaign(subject, range(seed, seed + runs), folder, engine, pressure=not steady)
    if waves is not None:
        from einsim.report import waves as drawn  # noqa: PLC0415 - matplotlib takes long to import
        from einsim.report.drawing import save_as  # noqa: PLC0415 - likewise

        save_as(drawn.waves(subject, watch(subject, seed, folder, pressure=not steady), epoch), waves, "--waves")
    record = campaign_record(subject, comparisons, engine)
    if json:
        command = command_line("rtl test", [configuration], {
            "--shape": shape, "--arch": arch, "--set": set_, "--format": operand, "--seed": seed, "--runs": runs,
            "--engine": engine, "--steady": steady})  # fmt: skip
        print_json({**record, "command": command})
    else:
        show_result(campaign_report(record))
    return 0 if record["equal"] else 1


@app.command
def area(
    configuration: Configuration,
    *,
    shape: ShapeOption = None,
    arch: ArchOption = None,
    set_: SetOption = None,
    operand: FormatOption = "bf16",
    liberty: Annotated[Path | None, Parameter(help="Standard cells, .lib or .lib.gz; else OSU 0.18 um")] = None,
    clock: Annotated[float, Parameter(help="The clock's period, ns")] = 10.0,
    rows: Annotated[int | None, Parameter(help="Rows of the array to add up to; its own by default")] = None,
    columns: Annotated[int | None, Parameter(help="Columns (and lanes) of that array")] = None,
    build: Annotated[Path | None, Parameter(help="Folder for netlists; kept, so that the next run is quick")] = None,
    json: JsonOption = False,
) -> int:
    """Synthesise generated hardware: areas module by module, and the critical paths of an element and a lane.

    Example: einsim rtl area fusemax-small --rows 256 --columns 256
    """
    subject = _subject(configuration, shape, arch, set_, operand)
    for option, value in (("--rows", rows), ("--columns", columns)):
        if value is not None and value < 1:
            raise SpecError(f"{value} is not positive", at=Location(option))
    measured = measure(subject, liberty, build or build_folder(), clock, rows, columns)
    if json:
        command = command_line("rtl area", [configuration], {
            "--shape": shape, "--arch": arch, "--set": set_, "--format": operand, "--liberty": liberty,
            "--clock": clock, "--rows": rows, "--columns": columns})  # fmt: skip
        print_json({**measured_record(measured), "command": command})
    else:
        show_result(measured_report(measured))
    return 0


def _subject(configuration: str, shape: str | None, arch: str | None, set_: list[str] | None, operand: str) -> Subject:
    form = named(operand)
    return load_subject(
        configuration,
        {} if shape is None else parse_shape(shape),
        architecture=arch,
        overrides=[parse_override(text) for text in set_ or ()],
        operand=form,
        accumulator=INT32 if isinstance(form, Integer) else FP32,
    )


def check_picture(path: Path | None, option: str) -> None:
    """Raises SpecError where a picture cannot be written, before anything else is done."""
    if path is None:
        return
    from einsim.report.drawing import format_of  # noqa: PLC0415 - matplotlib takes long to import

    format_of(path, option)
    if not path.parent.is_dir():
        raise SpecError(f"there is no folder {str(path.parent)!r}", at=Location(option), remedy="make it first")


def build_folder() -> Path:
    """Where simulations are kept from run to run: the user's cache, or a folder that goes away."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(home) / "einsim" / "rtl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="einsim-rtl-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="einsim-rtl-"))
