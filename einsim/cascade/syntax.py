"""The grammar at work: text to a lark tree, and lark's complaints to words an architect knows."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Final

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from einsim.errors import Location, SpecError

# Checked in this order: each group of acceptable tokens is told as one thing.
_GROUPS: Final[tuple[tuple[frozenset[str], str], ...]] = (
    (
        frozenset({"NAME", "INPUT", "OUTPUT", "INIT"}),
        "a statement (input, output, rank, split, init or an Einsum)",
    ),
    (frozenset({"NAME", "NUMBER", "LPAR"}), "an expression"),
    (frozenset({"NAME", "INT"}), "an index"),
    (frozenset({"PLUS", "MINUS", "STAR", "SLASH"}), "an operator"),
    (frozenset({"PLUS", "MINUS", "STAR"}), "an operator (+, -, *)"),
    (frozenset({"PLUS", "MINUS"}), "'+' or '-'"),
)
_WORDS: Final[dict[str, str]] = {
    "_NL": "the end of the line",
    "$END": "the end of the text",
    "NAME": "a name",
    "CASCADE_NAME": "the cascade's name",
    "STRING": "a title in double quotes",
    "INT": "an integer",
    "EQUAL": "'='",
    "COMMA": "','",
    "COLON": "':'",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
}
# Tokens that go with an expression or a statement and add nothing to the message.
_SILENT: Final = frozenset({"MINUS", "INF", "NAME", "NUMBER", "INT", "LPAR"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_LOOK_ALIKES: Final[dict[str, str]] = {
    "×": "*",
    "·": "*",
    "⋅": "*",
    "÷": "/",
    "−": "-",
    "–": "-",
    "∞": "inf",
    "“": '"',
    "”": '"',
}


@functools.cache
def _lark() -> Lark:
    grammar = resources.files("einsim.cascade").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual")


def tree_of(text: str, source: str) -> Tree[Token]:
    """The parse tree of a cascade's text.

    Raises SpecError at the first character that does not belong: binary input, no text, or bad syntax.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    control = _CONTROL.search(text)
    if control is not None:
        raise SpecError(
            f"this is not the text of a cascade: it holds the control character {control[0]!r}",
            at=_location(text, control.start(), source),
            remedy="give a UTF-8 text file",
        )
    if not re.sub(r"#[^\n]*", "", text).strip():
        raise SpecError(
            "the text of the cascade is empty", at=Location(source, 1, 1), remedy="begin with 'cascade NAME'"
        )
    try:
        return _lark().parse(text + "\n")
    except UnexpectedInput as error:
        raise _complaint(error, text, source) from None


def _location(text: str, position: int, source: str) -> Location:
    line_start = text.rfind("\n", 0, position) + 1
    return Location(source, text.count("\n", 0, position) + 1, position - line_start + 1)


def _complaint(error: UnexpectedInput, text: str, source: str) -> SpecError:
    at = Location(source, error.line, error.column)
    match error:
        case UnexpectedToken():
            return SpecError(f"{_found(error.token)}, expected {_expected(error.accepts)}", at=at)
        case UnexpectedCharacters():
            return _bad_character(error, text, at)
        case UnexpectedEOF():
            return SpecError("the text ends too early", at=at, remedy="finish the last statement")
        case _:
            return SpecError("this cannot be read", at=at, remedy="see docs/notation.md")


def _bad_character(error: UnexpectedCharacters, text: str, at: Location) -> SpecError:
    found = (text + "\n")[error.pos_in_stream or 0]
    if found == '"' and "STRING" in (error.allowed or ()):
        return SpecError("this title is not closed", at=at, remedy="end it with '\"' on the same line")
    expected = _expected(error.allowed or set())
    instead = _LOOK_ALIKES.get(found)
    remedy = f"write {instead!r}" if instead else None
    return SpecError(f"unexpected character {found!r}, expected {expected}", at=at, remedy=remedy)


def _found(token: Token) -> str:
    if token.type == "_NL":
        return "the line ends here"
    return "the text ends here" if token.type == "$END" else f"found {str(token)!r}"


def _expected(accepted: set[str]) -> str:
    """The acceptable tokens in words: 'an operator, ')' or the end of the line'."""
    left = set(accepted) - {"BLANK", "COMMENT"}
    words = []
    for group, word in _GROUPS:
        if group <= left:
            words.append(word)
            left -= group | _SILENT
            if "statement" in word:
                left -= {"RANK", "SPLIT", "_NL", "$END"}
    words += [_WORDS.get(name, repr(name.lower())) for name in sorted(left - {"_NL"})]
    if "_NL" in left:
        words.append(_WORDS["_NL"])
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "nothing more"
