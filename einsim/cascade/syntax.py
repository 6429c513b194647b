"""The grammar at work: text to a lark tree, and lark's complaints to words an architect knows."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Final

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from einsim.errors import Location, SpecError

_AFTER: Final = frozenset({"STAR", "SLASH", "WHOLE", "REST", "OVER", "LSQB", "LPAR"})

# Checked in this order: where the parser accepts all of a group, the message names the group once and leaves
# out the words that go with it.
_GROUPS: Final[tuple[tuple[frozenset[str], str, frozenset[str]], ...]] = (
    (frozenset({"CASCADE"}), "'cascade NAME'", frozenset({"_NL"})),
    (
        frozenset({"NAME", "INPUT", "OUTPUT"}),
        "a statement (input, output, size, rank, split, sequence, tensor, init, option, case or an Einsum)",
        frozenset(
            {"OPTION", "CASE", "INIT", "RANK", "SPLIT", "SIZE", "SEQUENCE", "TENSOR", "SOURCE", "STRING", "_NL", "$END"}
        ),
    ),
    (frozenset({"NAME", "NUMBER", "LPAR", "NOT"}), "a condition", frozenset({"MINUS", "INF", "WHERE"})),
    (frozenset({"NAME", "NUMBER", "LPAR"}), "an expression", frozenset({"MINUS", "INF", "WHERE"})),
    (frozenset({"NAME", "INT"}), "an index", frozenset({"MINUS", "LPAR"})),
    (frozenset({"PLUS", "MINUS", "RSQB"}), "'+', '-', '*', ']'", frozenset({"STAR", "WHOLE", "REST", "LSQB", "LPAR"})),
    (frozenset({"PLUS", "MINUS", "COMPARISON"}), "an operator or a comparison", frozenset({*_AFTER, "ELSE"})),
    (frozenset({"PLUS", "MINUS"}), "an operator", frozenset({*_AFTER, "ELSE", "WHEN", "AND", "OR"})),
)
_WORDS: Final[dict[str, str]] = {
    "_NL": "the end of the line",
    "$END": "the end of the text",
    "NAME": "a name",
    "CASCADE_NAME": "the cascade's name",
    "STRING": "a text in double quotes",
    "INT": "an integer",
    "STAR": "'*'",
    "COMPARISON": "a comparison",
    "VBAR": "'|'",
    "EQUAL": "'='",
    "COMMA": "','",
    "COLON": "':'",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_LOOK_ALIKES: Final[dict[str, str]] = {
    "×": "*",
    "·": "*",
    "⋅": "*",
    "÷": "/",
    "−": "-",
    "–": "-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
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
            if error.token.type == "STAR" and text[: error.pos_in_stream].endswith("*"):
                return SpecError(_found(error.token), at=at, remedy="write pow(a, b) for a power")
            return SpecError(_found(error.token), at=at, remedy=f"expected {_expected(error.accepts)}")
        case UnexpectedCharacters():
            return _bad_character((text + "\n"), error.pos_in_stream or 0, at)
        case _:
            return SpecError("the text ends too early", at=at, remedy="finish the last statement")


def _bad_character(text: str, position: int, at: Location) -> SpecError:
    parser = _lark().parse_interactive(text[:position])
    parser.exhaust_lexer()
    accepted: set[str] = parser.accepts()  # type: ignore[no-untyped-call]  # lark leaves it without types
    found = text[position]
    if found == '"' and "STRING" in accepted:
        return SpecError("this text is not closed", at=at, remedy="end it with '\"' on the same line")
    instead = _LOOK_ALIKES.get(found)
    remedy = f"write {instead!r}" if instead else f"expected {_expected(accepted)}"
    return SpecError(f"unexpected character {found!r}", at=at, remedy=remedy)


def _found(token: Token) -> str:
    if token.type == "_NL":
        return "the line ends here"
    return "the text ends here" if token.type == "$END" else f"unexpected {str(token)!r}"


def _expected(accepted: set[str]) -> str:
    """The acceptable tokens in words: "an operator, ')' or the end of the line"."""
    left = set(accepted)
    words = []
    for group, word, implied in _GROUPS:
        if group <= left:
            words.append(word)
            left -= group | implied
    words += [_WORDS.get(name, repr(name.lower())) for name in sorted(left - {"_NL"})]
    words += [_WORDS[name] for name in left & {"_NL"}]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
