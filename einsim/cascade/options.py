"""Cascades in several forms: statements that are there only where an option has one of some values.

`option network: gelu, relu` declares an option and its values, the first of them where nobody chooses;
`case network gelu: H[u] = gelu(X[u])` is a statement of some values only. Choosing is done on the parse tree, so that
every form is a cascade like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from lark import Token, Tree

from einsim.errors import Location, SpecError, suggest

_Tree = Tree[Token]


@dataclass(frozen=True, slots=True)
class Forms:
    """What a cascade of one form tells of its others.

    `options` are all options and their values, `absent` the tensors that other forms have and this one has not,
    `untouched` Einsums with tensors that they read or make in other forms only.
    """

    options: tuple[tuple[str, tuple[str, ...]], ...] = ()
    absent: frozenset[str] = frozenset()
    untouched: frozenset[tuple[str, str]] = frozenset()


def in_form(tree: _Tree, chosen: Mapping[str, str], source: str) -> tuple[_Tree, Forms]:
    """The tree with the statements of the chosen form, and what it tells of the others.

    Raises SpecError for an option or a value that is not declared, there or in `chosen`.
    """
    header, *statements = cast(list[_Tree], tree.children)
    options = _declared(statements, source)
    for name, value in chosen.items():
        _check(options, name, value, Location(source))
    form = {name: values[0] for name, values in options.items()} | dict(chosen)
    kept: list[_Tree] = []
    dropped: list[_Tree] = []
    for statement in statements:
        if statement.data == "options":
            continue
        if statement.data != "guarded":
            kept.append(statement)
            continue
        *words, guarded = statement.children
        name, *values = cast(list[Token], words)
        for value in values:
            _check(options, str(name), str(value), _at(name, source))
        (kept if form[str(name)] in {str(value) for value in values} else dropped).append(cast(_Tree, guarded))
    absent = {name for each in dropped for name in _made(each)} - {name for each in kept for name in _made(each)}
    touched = {pair for each in kept for pair in _touched(each)}
    untouched = {pair for each in dropped for pair in _touched(each)} - touched
    forms = Forms(tuple(options.items()), frozenset(absent), frozenset(untouched))
    return Tree(tree.data, [header, *kept]), forms


def _declared(statements: list[_Tree], source: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for statement in statements:
        if statement.data == "options":
            name, *values = cast(list[Token], statement.children)
            if str(name) in found:
                raise SpecError(
                    f"option {str(name)!r} is declared twice", at=_at(name, source), remedy="declare it once"
                )
            found[str(name)] = tuple(map(str, values))
    return found


def _check(options: Mapping[str, tuple[str, ...]], name: str, value: str, at: Location) -> None:
    if name not in options:
        raise SpecError(f"the cascade has no option {name!r}", at=at, remedy=suggest(name, options))
    if value not in options[name]:
        raise SpecError(
            f"option {name} cannot be {value!r}", at=at, remedy=f"its values are {', '.join(options[name])}"
        )


def _made(statement: _Tree) -> Iterator[str]:
    """The tensors that a statement declares or makes."""
    if statement.data in {"inputs", "assembled"}:
        yield from (str(cast(_Tree, each).children[0]) for each in statement.children)
    elif statement.data == "einsum":
        yield str(cast(_Tree, statement.children[0]).children[0])


def _touched(statement: _Tree) -> Iterator[tuple[str, str]]:
    """An Einsum, with each tensor that it reads or makes."""
    if statement.data == "einsum":
        (name,) = _made(statement)
        yield name, name
        yield from ((name, str(access.children[0])) for access in statement.find_data("access"))


def _at(token: Token, source: str) -> Location:
    return Location(source, token.line, token.column)
