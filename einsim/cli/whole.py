"""Options of whole models, shared by `einsim run` and `einsim simulate`, and the run that they describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from einsim.cli.common import DesignOptions, count_option
from einsim.errors import Location, SpecError
from einsim.model.closed_form import Evaluation
from einsim.model.whole import Setting, WholeRun, evaluate_whole, refuse_workload_changes
from einsim.spec import library
from einsim.spec.configuration import Design
from einsim.spec.modelrun import CAUSAL, LAYERS, Causal, Layers, Lengths, ModelRun, Scope, plan_run
from einsim.spec.models import batch_lengths, fixed_length, model_facts
from einsim.spec.onnxgraph import read_onnx

ScopeOption = Annotated[
    Literal["attention", "linear", "attention+linear", "layer", "model"],
    Parameter(
        name="--scope",
        help="What of the model: its attention, the linear layers of a layer, both, a layer (of every kind), or all",
    ),
]
PhaseOption = Annotated[
    Literal["prefill", "decode"] | None,
    Parameter(name="--phase", help="Read the text at once (prefill), or make tokens one after another (decode)"),
]
ContextOption = Annotated[
    str | None, Parameter(name="--context", help="Tokens in the cache: 8K, or of several lengths: 300x4K,212x32K")
]
NewTokensOption = Annotated[str | None, Parameter(name="--new-tokens", help="Tokens that are added to each sequence")]
LayersOption = Annotated[
    Literal["sequential", "overlapped", "fused"],
    Parameter(
        name="--layers",
        help="A layer's kernels one after another, overlapped (on different arrays at the same time), or fused "
        "into one whose activations stay on chip (see docs/models.md)",
    ),
]
CausalOption = Annotated[
    Literal["count", "skip"],
    Parameter(
        name="--causal",
        help="Scores that causal attention hides in a prefill: counted, or left out in blocks (see docs/models.md)",
    ),
]
AttentionOption = Annotated[
    str | None, Parameter(name="--attention", help="A cascade instead of CONFIG's attention, mapped by einsim itself")
]
SkipOption = Annotated[
    bool, Parameter(name="--allow-skip", negative="", help="List nodes of an ONNX graph that are not counted")
]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class WholeOptions:
    """What the options say of a whole model."""

    scope: ScopeOption = "attention"
    phase: PhaseOption = None
    context: ContextOption = None
    new_tokens: NewTokensOption = None
    attention: AttentionOption = None
    layers: LayersOption = "sequential"
    causal: CausalOption = "count"
    allow_skip: SkipOption = False

    def flags(self) -> list[str]:
        """The words of a command line that say the same of a whole model."""
        given = {"--scope": self.scope, "--phase": self.phase, "--context": self.context,
                 "--new-tokens": self.new_tokens, "--layers": None if self.layers == "sequential" else self.layers,
                 "--causal": None if self.causal == "count" else self.causal,
                 "--attention": self.attention}  # fmt: skip
        words = [word for option, value in given.items() if value is not None for word in (option, value)]
        return [*words, *(["--allow-skip"] if self.allow_skip else [])]

    def plain(self, design: DesignOptions) -> bool:
        """Whether they mean the attention of a shape, as ever: by sizes, or by a model of the library."""
        if self != ALONE:
            return False
        names = {shape.name.lower() for shape in library.load_models().models}
        return design.model is None or design.shape is not None or design.model.lower() in names

    def evaluated(self, configuration: str, design: DesignOptions) -> WholeRun:
        """The run that they mean, by the closed form; raises SpecError where they say too little or are wrong."""
        overrides = design.overrides
        refuse_workload_changes(overrides)
        setting = Setting(configuration, design.arch, tuple(overrides), design.accounting, self.attention)
        return evaluate_whole(self._planned(configuration, design), setting)

    def _planned(self, configuration: str, design: DesignOptions) -> ModelRun:
        model, scope, layers, causal = design.model, Scope(self.scope), Layers(self.layers), Causal(self.causal)
        if model is None:
            raise SpecError(
                "no model is named", at=Location("--model"), remedy="give a name, a config.json or an .onnx"
            )
        if design.shape is not None:
            raise SpecError(f"--shape says nothing about --scope {scope}", at=Location("--shape"),
                            remedy="give --model, --seq-len and --batch")  # fmt: skip
        seq_len, batch = count_option("--seq-len", design.seq_len), count_option("--batch", design.batch)
        new = count_option("--new-tokens", self.new_tokens)
        if model.endswith(".onnx"):
            if self.phase or self.context or new:
                raise SpecError("an ONNX graph is what it is: it has no phases and no cache", at=Location("--model"),
                                remedy="leave --phase, --context and --new-tokens out")  # fmt: skip
            if causal is Causal.SKIP:
                raise SpecError("an ONNX graph says nothing of which scores are hidden", at=CAUSAL,
                                remedy="leave it out")  # fmt: skip
            if layers is Layers.FUSED:
                raise SpecError("an ONNX graph has no fused form of its layers", at=LAYERS,
                                remedy="choose sequential or overlapped")  # fmt: skip
            return read_onnx(model, scope, seq_len, batch, allow_skip=self.allow_skip, layers=layers)
        if self.allow_skip:
            raise SpecError(
                "only nodes of ONNX graphs can be skipped", at=Location("--allow-skip"), remedy="leave it out"
            )
        facts = model_facts(model)
        lengths: Lengths = batch_lengths(self.phase, seq_len, batch, self.context, new, fixed_length(facts))
        return plan_run(facts, lengths, scope, layers, configuration, causal=causal)


ALONE: Final = WholeOptions()
"""No option is given: the attention of one layer."""


def sole_design(whole: WholeRun) -> tuple[Design, Evaluation] | None:
    """The one kernel of a run that is a model's attention at one length; None where there is more to say."""
    first, *others = whole.kernels
    if others or first.kernel.times != 1 or first.design is None or first.evaluation is None:
        return None
    return (first.design, first.evaluation) if first.design.workload.model is not None else None
