"""The names that other packages build on."""

import re
from pathlib import Path

import einsim.cascade


def test_every_public_name_exists_and_the_list_is_sorted_by_kind():
    names = einsim.cascade.__all__
    assert all(hasattr(einsim.cascade, name) for name in names)
    assert len(set(names)) == len(names)


def test_the_names_promised_to_the_other_layers():
    promised = """parse evaluate check operations Cascade Einsum Access Index TensorDecl Split Init
    iteration_ranks reduced_ranks operands is_copy base_rank tensor_ranks size_parameters bind_sizes"""
    assert set(promised.split()) <= set(einsim.cascade.__all__)


def test_the_package_imports_nothing_of_einsim_but_errors_and_itself():
    for path in Path(einsim.cascade.__file__).parent.glob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) (einsim[\w.]*)", path.read_text(encoding="utf-8"), re.M)
        assert all(name == "einsim.errors" or name.startswith("einsim.cascade") for name in imported), path
