"""Models by name or from a config file: what is known of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePath

from einsim.errors import Location, SpecError, suggest
from einsim.spec import library
from einsim.spec.family import Phase
from einsim.spec.files import home, kind_of
from einsim.spec.modelconfig import Facts, evaluate_size, parse_json, read_facts
from einsim.spec.modelrun import MAX_STEPS, Lengths, Scope, parse_contexts, plan_run
from einsim.spec.workload import DEFAULT_BATCH, Workload, attention, find_model
from einsim.units import shorten

_OPTION = Location("--model")


def is_file(model: str) -> bool:
    """Whether a model is given as a file (or a folder with a config.json in it), not by name."""
    return "/" in model or PurePath(model).suffix in {".json", ".onnx"} or kind_of(Path(model)) == "folder"


def model_names() -> list[str]:
    """Every name of the published models."""
    return [name for model, _ in library.load_published() for name in (*model.also, model.name)]


def model_facts(model: str, at: Location = _OPTION) -> Facts:
    """What is known of a model: a published name, whatever its capitals, or a config.json (or its folder).

    Raises SpecError for an unknown name, a file that is none, or a field that is missing or wrong.
    """
    if is_file(model):
        path = Path(model)
        if kind_of(path) == "folder":
            path = path / "config.json"
        if kind_of(path) != "file":
            raise SpecError(f"there is no file {shorten(str(path))!r}", at=at,
                            remedy="give a config.json, an .onnx file or a name")  # fmt: skip
        return _facts_once(library.read(path), str(path), _title(path), library.model_files())
    for published, document in library.load_published():
        for name in (published.name, *published.also):
            if name.lower() == model.lower():
                return read_facts(document, library.load_families(), library.load_ignored_fields(), name)
    raise SpecError(f"unknown model {shorten(model)!r}", at=at,
                    remedy=f"{suggest(model, model_names())} or give a config.json or an .onnx file")  # fmt: skip


@lru_cache(maxsize=64)
def _facts_once(content: bytes, source: str, title: str, files: tuple[bytes, ...]) -> Facts:
    """What a config file says, for as long as what ships of models stays the same."""
    del files
    return read_facts(parse_json(content, source), library.load_families(), library.load_ignored_fields(), title)


def model_name(model: str, at: Location = _OPTION) -> str:
    """A model's name as it is written; raises SpecError for an unknown one, or a file."""
    if is_file(model):
        raise SpecError(f"{shorten(model)!r} is a file; only `einsim run` and `simulate` read models from files, and "
                        "without --shape", at=at, remedy=f"known: {', '.join(model_names())}")  # fmt: skip
    shapes = {shape.name.lower(): shape.name for shape in library.load_models().models}
    return shapes.get(model.lower()) or model_facts(model, at).name


def model_attention(model: str, seq_len: int, batch: int, at: Location = _OPTION) -> Workload:
    """The attention of one layer of a model by name, over `seq_len` tokens: a prefill with nothing cached.

    Raises SpecError for an unknown name, and where layers have several kinds of attention.
    """
    name = model_name(model, at)
    library_shapes = library.load_models()
    if any(shape.name == name for shape in library_shapes.models):
        return attention(find_model(library_shapes, name), seq_len, batch, at)
    facts = model_facts(name, at)
    fixed = fixed_length(facts)
    if fixed not in {None, seq_len}:
        raise SpecError(f"{name} always has {fixed} tokens", at=at, remedy=f"give a length of {fixed}")
    kernels = plan_run(facts, Lengths("prefill", seq_len, ((batch, 0),)), Scope.ATTENTION).kernels
    if len({kernel.sizes for kernel in kernels}) > 1:
        raise SpecError(f"{name} has layers with several kinds of attention", at=at,
                        remedy="run it with --scope layer or model")  # fmt: skip
    return Workload(kernels[0].sizes, name, seq_len, at)


def _title(path: Path) -> str:
    """A config.json goes by its folder's name."""
    return (home() / path).resolve().parent.name if path.stem == "config" else path.stem


def batch_lengths(
    phase: Phase | None,
    seq_len: int | None,
    batch: int | None,
    context: str | None,
    new_tokens: int | None,
    fixed: int | None = None,
    at: Location | None = None,
) -> Lengths:
    """The lengths that options, or the fields of a sweep `at` a place, mean.

    Prefill: `seq_len` (or `new_tokens`) tokens of each sequence, behind `context` cached ones; with a context alone,
    that many tokens and nothing cached. Decode: `new_tokens` (1) tokens, one after another, behind a cache of `context`
    (or `seq_len`) tokens. Without a phase it is a prefill. Raises SpecError where they say too little or too much.
    """
    if phase == "decode":
        return _decode(seq_len, batch, context, new_tokens, at)
    at_length, at_context = at or Location("--seq-len"), at or Location("--context")
    if seq_len is not None and new_tokens is not None and seq_len != new_tokens:
        raise SpecError(
            f"a sequence length of {seq_len} and {new_tokens} new tokens are the same tokens in a prefill",
            at=at_length, remedy="give one of them; the context says what is cached",
        )  # fmt: skip
    tokens = seq_len or new_tokens
    if fixed is not None:
        if tokens not in {None, fixed} or context is not None:
            raise SpecError(f"this model always has {fixed} tokens", at=at_length,
                            remedy="leave the sequence length and the context out")  # fmt: skip
        return Lengths("prefill", fixed, ((batch or DEFAULT_BATCH, 0),))
    if tokens is None:
        if context is None:
            raise SpecError("no sequence length is given", at=at_length,
                            remedy="add seq_len: 16K" if at else "add --seq-len 16K")  # fmt: skip
        whole = parse_contexts(context, batch, DEFAULT_BATCH, at_context)
        if len(whole) > 1:
            raise SpecError("a prefill of several lengths is several runs", at=at_context,
                            remedy="run one length at a time, or give a sequence length beside it")  # fmt: skip
        (count, length), *_ = whole
        if length == 0:
            raise SpecError("0 tokens are nothing to run", at=at_context, remedy="give a sequence length")
        return Lengths("prefill", length, ((count, 0),))
    return Lengths("prefill", tokens, parse_contexts(context or "0", batch, DEFAULT_BATCH, at_context))


def _decode(
    seq_len: int | None, batch: int | None, context: str | None, new_tokens: int | None, at: Location | None
) -> Lengths:
    """The lengths of a decode."""
    at_context = at or Location("--context")
    if context is None and seq_len is None:
        raise SpecError("a decode needs the length of its cache", at=at_context,
                        remedy="add context: 8K" if at else "add --context 8K")  # fmt: skip
    if context is not None and seq_len is not None:
        raise SpecError("a sequence length and a context are the same tokens in a decode",
                        at=at or Location("--seq-len"), remedy="give the context")  # fmt: skip
    if new_tokens is not None and new_tokens > MAX_STEPS:
        raise SpecError(f"{new_tokens} passes are more than {MAX_STEPS}", at=at or Location("--new-tokens"),
                        remedy="run a few lengths of the cache")  # fmt: skip
    return Lengths("decode", new_tokens or 1, parse_contexts(context or str(seq_len), batch, DEFAULT_BATCH, at_context))


def fixed_length(facts: Facts) -> int | None:
    """The tokens of every sequence, where the model itself says so."""
    text = facts.family.length
    return None if text is None else evaluate_size(text, dict(facts.values), facts.at, "length")
