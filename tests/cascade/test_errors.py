"""Every refusal says where, what and what to do. In each text, § stands right before the place to report."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.cascade import Access, Cascade, Index, Init, check, parse
from einsim.errors import SpecError

from .library import FOLDER, TEXTS

HEAD = "cascade c\ninput Q[e,p], K[e,m], s\noutput Z\n"
SPLIT = HEAD + "split m into m1, m0 by M0\n"
START = HEAD + "init Z[0,p] = 0\n"
PLAIN = "Z[p] = Q[e,p]\n"
ZOO = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.rglob("*.cascade"))]

SYNTAX = [
    ("§", "the text of the cascade is empty", "begin with 'cascade NAME'"),
    ("§# a comment only\n\n", "is empty", "begin with 'cascade NAME'"),
    ("cascade c\ninput §\x00\x01", "the control character '\\x00'", "give a UTF-8 text file"),
    ("§\x7fELF", "unexpected character '\\x7f'", "expected 'cascade NAME'"),
    ("PK§\x02", "control character", "UTF-8"),
    ("§softmax", "unexpected 'softmax'", "expected 'cascade NAME'"),
    ("cascade§", "the line ends here", "expected the cascade's name"),
    ('cascade c\n§"title', "this text is not closed", "on the same line"),
    ('cascade c\n§"a\\x"', "unknown escape", r"write a backslash as \\"),
    ("cascade c\ninput§\noutput Z", "the line ends here", "expected a name"),
    (HEAD + "Z[p] =§\n", "the line ends here", "expected an expression"),
    (HEAD + "Z[p] = Q[e,p§\n", "the line ends here", "expected ',' or ']'"),
    (HEAD + "Z[p] = Q[e,p] §K[e,m]", "unexpected 'K'", "expected an operator or the end of the line"),
    (HEAD + "Z[p] = Q[e,p]§)", "unexpected ')'", "expected an operator or the end of the line"),
    (HEAD + "Z[p] = (Q[e,p]§", "the line ends here", "expected an operator or ')'"),
    (HEAD + "Z[p] = §* s", "unexpected '*'", "expected an expression"),
    (HEAD + "Z[p] = s*§*2", "unexpected '*'", "write pow(a, b)"),
    (HEAD + "Z[p] = Q[e,p] when e§", "the line ends here", "expected an operator or a comparison"),
    (HEAD + "Z[p] = Q[e,p] when e <§", "the line ends here", "expected an expression"),
    (HEAD + "Z[p] = Q[e,p] when §", "the line ends here", "expected a condition"),
    (HEAD + "Z[p] = Q[e,p] when e §≤ p", "unexpected character '≤'", "write '<='"),
    (HEAD + "Z[p] = Q[e,p] §% 2", "'%' works on ranks and sizes only", "floor(a / b)"),
    (HEAD + "Z[p] = §s else 0", "'s' has no edge", "after a tensor with indices"),
    (HEAD + "Z[p] = Q[§mid(e, 1),p]", "unknown function 'mid' in an index", "use min or max"),
    (HEAD + "Z[p] = Q[§max(e),p]", "max takes two indices or more", "max(a, b)"),
    (HEAD + "Z[p] = Q[§e//0,p]", "e//0 divides by zero", "a positive size"),
    (HEAD + "Z[p] =§= s", "unexpected '='", "expected an expression"),
    (HEAD + "Z[p] §@ s", "unexpected character '@'", "expected '='"),
    (HEAD + "Z[p] = Q[e,p] §× s", "unexpected character '×'", "write '*'"),
    (HEAD + "Z[p] = §−Q[e,p]", "unexpected character '−'", "write '-'"),
    (HEAD + "Z[p] = max over e §Q[e,p]", "unexpected 'Q'", "expected ':' or ','"),
    (HEAD + "split m §in m1, m0 by M0", "unexpected 'in'", "expected 'into'"),
    (HEAD + "§cascade d", "unexpected 'cascade'", "expected a statement"),
    (HEAD + "Z[p] = Q[e§/2,p]", "unexpected '/'", "expected '+', '-', '*', ']' or ','"),
    (HEAD + "Z[p] = s * §1e999", "1e999 is too large", "write inf"),
    (HEAD + "Z[p] = Q[§99999999999999999999,p]", "this index is too large", "no tensor is so long"),
    (HEAD + f"§Z[p] = {'-' * 5000}s", "nests deeper than 100 levels", "Einsums of their own"),
    (HEAD + f"§Z[p] = s{' + s' * 5000}", "nests deeper than 100 levels", "Einsums of their own"),
]

NAMES = [
    (HEAD + "Z[p] = §G[e,p]", "unknown tensor 'G'", "known: K, Q, Z, e, m, p, s"),
    (HEAD + "ABC[p] = Q[e,p]\nZ[p] = §ABB[p]", "unknown tensor 'ABB'", "did you mean 'ABC'?"),
    (HEAD + "Z[p] = Q[e,p] * §N", "unknown name 'N': no tensor, scalar or size", "known: E, K, M, P"),
    (HEAD + "Z[p] = Q[e,p] * §n", "unknown tensor 'n'", "known"),
    (HEAD + "Z[p] = §Q", "tensor 'Q' is read without its indices", "write Q[e,p]"),
    (HEAD + "Z[p] = §Q[p]", "tensor 'Q' has 2 indices, read with 1 index", "write Q[e,p]"),
    (HEAD + "Z[p] = Q[e,p] * §s[p]", "tensor 's' has 0 indices, read with 1 index", "write s"),
    (HEAD + PLAIN + "§Z[m] = K[e,m]", "tensor 'Z' is made twice (first at line 4)", "of its own"),
    (HEAD + "§Q[p] = K[e,m]", "tensor 'Q' is made twice (first at line 2)", "of its own"),
    ("cascade c\ninput A[k], §A[j]\noutput Z\nZ = A[k]", "'A' is made twice", "of its own"),
    ("cascade c\ninput A[k]\noutput §Y\nZ = A[k]", "output 'Y' is never made", "known: Z"),
    ("cascade c\ninput A[k]\noutput Z, §A\nZ = A[k]", "output 'A' is never made", "known: Z"),
    ("cascade c\ninput A[k]\noutput Z, §Z\nZ = A[k]", "output 'Z' is listed twice", "once"),
    ("cascade §c\ninput A[k]\nZ = A[k]", "the cascade has no output", "write 'output NAME'"),
    ("cascade c\ninput A[k], §K\noutput Z\nZ = A[k]", "the name of the size of rank 'k'", "another name"),
    ("cascade c\ninput §max[k]\noutput Z\nZ = max[k]", "'max' is a word of the notation", "another name"),
    ("cascade c\ninput A[§when]\noutput Z\nZ = A[when]", "'when' is a word of the notation", "another"),
    ("cascade c\ninput A[§K]\noutput Z\nZ = A[k]", "'K' cannot name a rank", "lower-case word such as 'k'"),
    (HEAD + "Z[p] = §input", "'input' is a word of the notation", "another name"),
    (HEAD + "Z[p] = §expp(Q[e,p])", "unknown function 'expp'", "did you mean 'exp'?"),
    (HEAD + "Z[p] = §gather(Q[e,p])", "unknown function 'gather'", "known: abs, ceil"),
    (HEAD + "Z[p] = §max(s)", "'max' takes 2 arguments, got 1", "write max(a, b)"),
    (HEAD + "Z[p] = §exp(s, s)", "'exp' takes 1 argument, got 2", "write exp(a)"),
    (HEAD + "Z[p] = §mx over e: Q[e,p]", "unknown reduction 'mx'", "did you mean 'max'?"),
    (HEAD + "rank a, §a\n" + PLAIN, "rank 'a' is declared twice", "once"),
    (HEAD + "rank §a like q\n" + PLAIN, "rank 'a' refers to the unknown rank 'q'", "known: a, e, m, p"),
    (HEAD + "rank §a like b, b within a\n" + PLAIN, "rank 'a' walks itself", "break the circle"),
    (HEAD + "init Z[0,p] = §m * p\nZ[e+1,p] = Q[e,p]", "'m' is not a rank of the first slice", "reduces nothing"),
    (HEAD + "init Z[0,p] = where(§e > 0, 1, 2)\nZ[e+1,p] = Q[e,p]", "'e' is not a rank of the", "reduces nothing"),
    (HEAD + "rank §a = B, b = A+1\n" + PLAIN, "size A follows from itself", "be free"),
    (HEAD + "rank q like j\nsplit §q into j, n by N\n" + PLAIN, "size J follows from itself", "be free"),
    (HEAD + "Z[p] = Q[e,p] when 2 §// N > 1", "unknown size 'N' in the index '2//N'", "known: E, M, P"),
    (HEAD + "Z[p] = Q[e,p] when §e*N > 1", "unknown size 'N' in the index 'e*N'", "known: E, M, P"),
    (HEAD + "rank a = §m+1\n" + PLAIN, "the size of rank 'a' cannot be 'm+1'", "use sizes and integers"),
    (HEAD + "rank a = §N+1\n" + PLAIN, "unknown size 'N' in the size of rank 'a'", "known: E, M, P"),
    (HEAD + "size W, §W\n" + PLAIN, "size W is declared twice", "once"),
    (HEAD + "size §M\n" + PLAIN, "M is the size of rank 'm' already", "another name"),
    (HEAD + "size §w\n" + PLAIN, "'w' is neither a rank nor a size", "upper case"),
    (HEAD + "tensor §T[m]\n" + PLAIN, "no Einsum writes a part of tensor 'T'", "remove it"),
    (HEAD + "sequence §n\n" + PLAIN, "sequence over the unknown rank 'n'", "known: e, m, p"),
]

RANKS = [
    (
        HEAD + "Z[m] = Q[e,§m]",
        "dimension 2 of 'Q' has rank 'p', read with 'm'",
        "write 'p', or declare 'rank m like p'",
    ),
    (SPLIT + "Z[m0] = K[e,§m0]", "dimension 2 of 'K' has rank 'm', read with 'm0'", "write 'm1*M0+m0'"),
    (HEAD + "Y[m] = K[e,m]\nZ[p] = Y[§p]", "dimension 1 of 'Y' has rank 'm'", "write 'm'"),
    (HEAD + "Z[p] = Q[§foo+1,p]", "unknown rank 'foo' in the index 'foo+1'", "known: e, m, p"),
    (SPLIT + "Z[m1] = K[e,§m1*N0]", "unknown size 'N0'", "known: E, M, M0"),
    (HEAD + "Z[p] = Q[§Ee,p]", "'Ee' is neither a rank nor a size", "lower case"),
    (HEAD + "Z[§m,p] = Q[e,p]", "rank 'm' of Z[m,p] is absent on the right", "on the right: e, p"),
    (HEAD + "§Z[p,p] = Q[e,p]", "rank 'p' is on the left side of 'Z' more than once", "of its own"),
    (HEAD + "Z[§2*p] = Q[e,p]", "the left side cannot be written at '2*p'", "(r+1)"),
    (HEAD + "Z[§0] = Q[e,p]", "the left side cannot be written at '0'", "write at a rank"),
    (HEAD + "split §n into n1, n0 by N0\n" + PLAIN, "split of the unknown rank 'n'", "known: e, m, p"),
    (HEAD + "split §m into m1, m0 by B\n" + PLAIN, "of rank 'm0' have size M0, not B", "write 'by M0'"),
    (HEAD + "split §m into m1, m1 by M1\n" + PLAIN, "'m1' has another meaning", "a new name"),
    (HEAD + "split m into §M1, m0 by M0\n" + PLAIN, "'M1' cannot name a rank", "'m1'"),
    (SPLIT + "split §m into m3, m2 by M2\n" + PLAIN, "'m' is split twice", "one of its parts"),
    (SPLIT + "split §p into m1, p0 by P0\n" + PLAIN, "'m1' has another meaning", "a new name"),
    (HEAD + "Z[p] = §max over m: Q[e,p] * K[e,m]", "e is on the right only", "'max over m,e:'"),
    (HEAD + "Z[p] = max over §p: Q[e,p]", "rank 'p' is on the left side", "reduce e"),
    (HEAD + "Z[p] = max over §m: Q[e,p]", "rank 'm' indexes nothing", "known: e"),
    (HEAD + "Z[p] = sum over e,§e: Q[e,p]", "rank 'e' is listed twice", "once"),
    (HEAD + "§Z[p] = Q[e,p] when m < p", "rank 'm' of the filter is no rank of 'Z[p] = Q[e,p]'", "sum over e,m:"),
    (HEAD + "§Z[p] = Q[e,p] when e < p density 2", "density 2 of 'Z' is no share", "a number above 0"),
    (HEAD + "§Z = argmax over e,p: Q[e,p]", "argmax over 2 ranks", "one rank at a time"),
    (HEAD + "§Z[p] = topk over e: Q[e,p]", "Z[p] needs exactly one rank that is not on the right", "IX[j,p]"),
    (HEAD + "rank t within m\nZ[p] = Q[e,§t]", "dimension 2 of 'Q' has rank 'p', read with 't'", "write 'p'"),
    (
        HEAD + "§Z[p] = Q[e,p] + s",
        "two readings: of the whole, 'Z[p] = sum over e: Q[e,p] + s', or of a part, 'T[p] = Q[e,p]'",
        "write 'sum over e:'",
    ),
    (
        HEAD + "§Z[p] = s * (s - Q[e,p])",
        "of the whole, 'Z[p] = sum over e: s * (s - Q[e,p])', or of a part, 'T[p] = Q[e,p]'",
        "write 'sum over e:'",
    ),
]

SLICES = [
    (HEAD + "Z[p] = Q[§E,p]", "index 'E' of dimension 1 of 'Q' reaches E", "from 0 to E-1"),
    (HEAD + "Z[p] = Q[§-1,p]", "index '-1' of dimension 1 of 'Q' starts at -1", "from 0 to E-1"),
    (HEAD + "Z[e,p] = Q[§e+1,p]", "index 'e+1' of dimension 1 of 'Q' reaches E", "only an iterative tensor"),
    (SPLIT + "Z = K[e,§m1*M0+m0+1]", "index 'm1*M0+m0+1' of dimension 2 of 'K' reaches M", "M-1"),
    (START + "Z[e+1,p] = Z[§e+2,p] + Q[e,p]", "index 'e+2' of dimension 1 of 'Z' reaches E+1", "0 to E"),
    (START + "Z[e+1,p] = Z[§e-1,p] + Q[e,p]", "'e-1' of dimension 1 of 'Z' starts at -1", "0 to E"),
    (START + "Z[e+1,p] = Q[e,p]\nY[m] = Z[§m,p] * K[e,m]", "has rank 'e', read with 'm'", "write 'e'"),
    (START + "Z[e+1,p] = Q[e,p]\nY[m] = Z[§m+1,p] * K[e,m]", "has rank 'e', read with 'm+1'", "write 'e'"),
    (HEAD + "§Z[e+1,p] = Z[e,p] + Q[e,p]", "iterative tensor 'Z' has no first slice", "'init Z[0,p] = ...'"),
    (HEAD + "§Z[e+1,p+1] = Q[e,p]", "'Z' iterates over two ranks", "only one index"),
    (HEAD + "init §Z[0] = 0\n" + PLAIN, "init of 'Z', which is not iterative", "next slice ('r+1')"),
    (START + "init §Y[0] = 0\nZ[e+1,p] = Q[e,p]", "init of unknown 'Y'", "known: Z"),
    (HEAD + "init §Z = 0\nZ[e+1] = Q[e,p]", "init 'Z' names no slice", "write the first slice"),
    (HEAD + "init §Z[1,p] = 0\nZ[e+1,p] = Q[e,p]", "is not the first slice of 'Z'", "'init Z[0,p]'"),
    (START + "init §Z[0,p] = 1\nZ[e+1,p] = Q[e,p]", "'Z' has two first slices", "keep one"),
    (
        HEAD + "init Z[0,p] = §Q[e,p]\nZ[e+1,p] = Q[e,p]",
        "'e' is not a rank of the first slice",
        "reduces nothing",
    ),
]

ORDER = [
    (HEAD + "Z[p] = Q[e,p] * §Y[p]\nY[p] = Q[e,p]", "'Y' is used before it is made at line 5", "of 'Y' up"),
    (START + "Y[p] = §Z[E,p]\nZ[e+1,p] = Z[e,p] * Q[e,p]", "used before it is made at line 6", "of 'Z' up"),
    (
        HEAD + "Z[e,p] = Q[e,p] * §Y[p]\nY[p] = Z[e,p]",
        "'Z' needs 'Y[p]', which is made from it (Z -> Y -> Z)",
        "at 'r'",
    ),
    (HEAD + "Z[e,p] = §Z[e,p] + Q[e,p]", "cyclic use: 'Z' needs 'Z[e,p]'", "write the tensor at 'r+1'"),
    (START + "Z[e+1,p] = §Z[e+1,p] + Q[e,p]", "cyclic use: 'Z' needs 'Z[e+1,p]'", "read it at 'r'"),
    (
        START + "G[p] = max over e: §Z[e,p]\nZ[e+1,p] = Z[e,p] + G[p] * Q[e,p]",
        "cyclic use: 'G' needs 'Z[e,p]' across the slices of 'e'",
        "must have rank 'e' on its left side",
    ),
    (
        START + "init Y[0,e] = 0\nZ[e+1,p] = Z[e,p] + Y[p,e] * Q[e,p]\n§Y[p+1,e] = Z[e,p] * Y[p,e]",
        "'Z' iterates over 'e' and feeds 'Y', which iterates over 'p'",
        "one rank only",
    ),
    (
        HEAD + "init Z[0,p] = §Y[0,p]\nY[e,p] = Z[e,p] * Q[e,p]\nZ[e+1,p] = Y[e,p] * s",
        "the first slice of 'Z' needs 'Y[0,p]', which is made from it",
        "an input or a literal",
    ),
]


@pytest.mark.parametrize(("marked", "message", "remedy"), [*SYNTAX, *NAMES, *RANKS, *SLICES, *ORDER])
def test_refusals(marked, message, remedy):
    before, after = marked.split("§")
    with pytest.raises(SpecError) as caught:
        parse(before + after, "c.cascade")
    error = caught.value
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    assert str(error.at) == f"c.cascade:{line}:{column}", str(error)
    assert message in error.message
    assert remedy in (error.remedy or "")
    assert "Token(" not in str(error)


def refusal(text):
    try:
        parse(text)
    except SpecError as error:
        return error
    return None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_a_damaged_text_is_read_or_refused_but_never_crashes(name, data):
    text = TEXTS[name]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    damage = data.draw(st.text(alphabet=' \nmMpZ0*+-/=[](),:"#_x\x00é', max_size=4))
    error = refusal(text[:start] + damage + text[end:])
    assert error is None or (error.at is not None and error.at.line >= 1 and error.remedy)


@st.composite
def misspelt(draw):
    """A text of the zoo with a few words exchanged, for one of their kind or for any other."""
    words = re.findall(r'"[^"\n]*"|#[^\n]*|\w+|\s+|[=!<>]=|//|.', draw(st.sampled_from(ZOO)))
    kinds = [sorted({word for word in words if re.fullmatch(kind, word)}) for kind in ("[a-z][a-z0-9]*", "[A-Z]\\w*")]
    kinds += [["+", "-", "*", "/", "//", "%"], ["<", "<=", ">", ">=", "==", "!="], ["", "0", "1", "2", "-1", "+1"]]
    more = ["else 0", "else edge", "when m < p", "density 0.5", "max over m:", "topk over m:", "[m]", "(", "]", "\n"]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(4, len(words) - 1))
        own = [kind for kind in kinds if words[place] in kind]
        words[place] = draw(st.sampled_from(own[0] if own and draw(st.booleans()) else sum(kinds, more)))
    return "".join(words)


@settings(max_examples=300, deadline=None)
@given(misspelt())
def test_a_misspelt_text_is_read_or_refused_with_a_place_and_a_remedy(text):
    error = refusal(text)
    if error is None:
        assert parse(str(parse(text))) == parse(text)
    else:
        assert error.at is not None
        assert 1 <= error.at.line <= text.count("\n") + 1
        assert error.at.column >= 1
        assert error.remedy


@given(st.text())
def test_any_text_is_refused_with_a_place(text):
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert caught.value.at is not None


def test_check_refuses_a_cascade_built_by_hand():
    cascade = parse("cascade c\ninput A[k]\noutput S\ninit S[0] = 0\nS[k+1] = S[k] + A[k]")
    without = Cascade("c", inputs=cascade.inputs, outputs=("S",), einsums=cascade.einsums)
    with pytest.raises(SpecError, match="iterative tensor 'S' has no first slice"):
        check(without)
    bad = Init(Access("S", (Index(),)), Access("B", (Index(),)))
    with pytest.raises(SpecError, match="unknown tensor 'B'"):
        check(Cascade("c", inputs=cascade.inputs, outputs=("S",), inits=(bad,), einsums=cascade.einsums))
    with pytest.raises(SpecError, match="output 'T' is never made; known: S"):
        check(Cascade("c", inputs=cascade.inputs, outputs=("T",), inits=cascade.inits, einsums=cascade.einsums))
