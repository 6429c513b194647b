"""The field tables of docs/files.md and models.md are the code's. `python -m tests.test_docs` writes them anew."""

import re
from pathlib import Path

import pytest

from einsim.explore.searchfile import Bound, Rival, SearchFile
from einsim.explore.sweepfile import SweepFile
from einsim.spec.architecture import Architecture, Array, Memory, Operation, Registers
from einsim.spec.family import Check, ConfigField, Family, Fused, Group, Kernel, ModelType, Need, Picked, Published
from einsim.spec.mapping import Divided, EinsumPlan, Fitted, Mapping, Nest, Phase, Pipeline, Spill, Stall
from einsim.spec.workload import ModelShape

DOCS = Path(__file__).parents[1] / "docs"
FILES = (
    Architecture, Memory, Array, Registers, Operation, Mapping, Divided, Fitted, Nest, EinsumPlan, Phase, Stall, Spill,
    Pipeline, ModelShape, SweepFile, SearchFile, Bound, Rival,
)  # fmt: skip
MODELS = (Family, ModelType, ConfigField, Check, Group, Fused, Need, Kernel, Picked, Published)
TABLES = {"files.md": FILES, "models.md": MODELS}
RECORDS = FILES + MODELS


def field_table(record) -> str:
    lines = ["| field | needed | what |", "|---|---|---|"]
    for name, field in record.model_fields.items():
        needed = "yes" if field.is_required() else "no"
        lines.append(f"| `{name}` | {needed} | {(field.description or '').replace('|', '/')} |")
    return "\n".join(lines)


def with_tables(text: str) -> str:
    for record in RECORDS:
        pattern = rf"(<!-- fields: {record.__name__} -->\n).*?(\n<!-- end -->)"
        text = re.sub(pattern, lambda match, r=record: f"{match[1]}{field_table(r)}{match[2]}", text, flags=re.DOTALL)
    return text


@pytest.mark.parametrize("name", TABLES)
def test_field_tables_are_current(name):
    text = (DOCS / name).read_text()
    for record in TABLES[name]:
        assert f"<!-- fields: {record.__name__} -->" in text
    assert with_tables(text) == text, "run: python -m tests.test_docs"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_is_described(record):
    assert [name for name, field in record.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("path", sorted([*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")]), ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


if __name__ == "__main__":
    for file in TABLES:
        (DOCS / file).write_text(with_tables((DOCS / file).read_text()))
