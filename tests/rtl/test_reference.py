"""What scripts/rtl.sh writes is what stands in rtl/ and docs/: its commands are run, and files compared."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.commands import einsim

ROOT = Path(__file__).parents[2]
WRITTEN = ("-o", "--diagram", "--waves")
REMEDY = "run: make rtl"


def commands() -> list[list[str]]:
    text = (ROOT / "scripts" / "rtl.sh").read_text().replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in re.findall(r"^einsim rtl .*$", text, re.MULTILINE)]


def rerun(words: list[str], folder: Path, *more: str) -> dict[Path, Path]:
    """Runs a command with everything that it writes in a folder; where each is, by where it should be."""
    at = {ROOT / words[n + 1]: folder / Path(words[n + 1]).name for n, word in enumerate(words) if word in WRITTEN}
    changed = [str(at.get(ROOT / word, word)) for word in words]
    outcome = einsim(*changed, *more)
    assert outcome.code == 0, outcome.err or outcome.out
    return at


def test_the_committed_hardware_is_what_the_generator_makes(tmp_path):
    (command,) = (words for words in commands() if words[1] == "generate")
    for kept, made in rerun(command, tmp_path).items():
        if not made.is_dir():
            assert kept.read_text() == made.read_text(), f"{kept.relative_to(ROOT)} is stale; {REMEDY}"
            continue
        files = {path.name: path.read_text() for path in made.iterdir()}
        assert {path.name for path in kept.iterdir()} == set(files), f"other files; {REMEDY}"
        stale = [name for name, text in files.items() if (kept / name).read_text() != text]
        assert stale == [], REMEDY


def test_the_committed_waves_are_those_of_a_run(tmp_path, builds):
    (command,) = (words for words in commands() if words[1] == "test")
    ((kept, made),) = rerun(command, tmp_path, "--build", str(builds)).items()
    assert kept.read_text() == made.read_text(), f"{kept.relative_to(ROOT)} is stale; {REMEDY}"


@pytest.mark.parametrize("page", ["README.md", "docs/rtl.md", "rtl/README.md"])
def test_hardware_of_every_command_of_a_page_is_generated(page, tmp_path):
    """Simulations are left out: the same options generate what they would simulate."""
    text = (ROOT / page).read_text().replace("\\\n", " ")
    found = re.findall(r"^einsim rtl (?:generate|test) [^#\n]*", text, re.MULTILINE)
    assert found
    for line in found:
        _, _, kind, configuration, *rest = shlex.split(line)
        usage = einsim("rtl", kind, "--help").out
        assert [word for word in rest if word.startswith("-") and word not in usage] == []
        design = [
            word for at, word in enumerate(rest) if {word, rest[at - 1]} & {"--shape", "--set", "--arch", "--format"}
        ]
        outcome = einsim("rtl", "generate", configuration, *design, "-o", str(tmp_path))
        assert outcome.code == 0, (line, outcome.err)
