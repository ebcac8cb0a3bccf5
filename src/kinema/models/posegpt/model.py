"""PoseGPT's prior (Lucas, Baradel et al., ECCV 2022, section 3.2): the next codes of a motion from those before.

A causal transformer over the tokens of a frozen tokeniser, given the action (label weights, several at once) and the
length in frames. A past is tokenised and continued; without one, a motion is generated.

Legend: R rows (samples x batch), N tokens, K books, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, Samples
from kinema.models.posegpt.inputs import InputsConfig, TokenInputs
from kinema.models.posegpt.quantizers import masked_mean
from kinema.models.posegpt.released_weights import from_released
from kinema.models.posegpt.sampling import Choice, calmed, joined, packed
from kinema.models.posegpt.tokenizer import PoseTokens
from kinema.nn.noise import row_noise
from kinema.nn.prefix import prefix_length
from kinema.nn.transformer import Block, Memory, start_small

_MANY = 10  # tokens, from which on packing linear maps is worth it


class PoseGPT(Model):
    """The prior with its frozen tokeniser."""

    deterministic = False
    has_temperature = True
    released_names = staticmethod(from_released)

    @dataclass(frozen=True)
    class Config:
        """The defaults are the paper's sizes; `stage` names the stage that trained the tokeniser.

        `attention_dropout` is that of the weights of attention. `inputs` describes how action and length are given;
        with `inputs.places` "none", attention is rotary. `dependent` gives each book of a token the books before it.
        `ending` "eos" lets the model end a motion early. In training, input codes are kept with probability `keep` and
        replaced by random ones otherwise, and the action is left out with probability `forget`, which `choice.guidance`
        needs. The offset between the last observed frame and the answer fades out over `blend` frames; decoded frames
        are averaged over time with the deviation `calm`, in frames. A sequence beyond `block` tokens continues from its
        last half.
        """

        stage: str = "tokens"
        width: int = 256
        layers: int = 8
        heads: int = 4
        block: int = 512
        dropout: float = 0.1
        attention_dropout: float = 0.0
        inputs: InputsConfig = field(default_factory=InputsConfig)
        head: Literal["linear", "mlp"] = "linear"
        dependent: bool = True
        ending: Literal["forced", "eos"] = "forced"
        keep: float = 1.0
        forget: float = 0.1
        choice: Choice = field(default_factory=Choice)
        blend: int = 10
        calm: float = 0.0

        def build_on(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> PoseGPT:
            """The prior with a trained tokeniser. Raises UsageError where there is none, or settings do not fit it."""
            tokeniser = earlier.get(self.stage)
            if not isinstance(tokeniser, PoseTokens):
                raise UsageError(
                    expected=f"a stage named '{self.stage}' before this one, that trains a tokeniser",
                    got=", ".join(earlier) or "no stage at all",
                    cure="Put a stage with PoseTokens.Config before this one, and its name in `stage`.",
                )
            return PoseGPT(self, shape, tokeniser)

        def build(self, shape: FeatureShape) -> PoseGPT:
            """Raises UsageError: the model needs a tokeniser (`build_on`)."""
            return self.build_on(shape, {})

        def tiny(self) -> PoseGPT.Config:
            """A few units, for tests."""
            choice = replace(self.choice, top_k=min(self.choice.top_k, 8))
            return replace(self, width=32, layers=2, heads=2, dropout=0.0, attention_dropout=0.0, choice=choice)

    def __init__(self, config: Config, shape: FeatureShape, tokeniser: PoseTokens) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        self.tokeniser = tokeniser.requires_grad_(False)
        self.graphs = ("step", "cached", *tokeniser.graphs) if tokeniser.graphs else ()
        self.books, self.codes, self.factor = self.tokeniser.books, self.tokeniser.codes, self.tokeniser.factor
        _check(config, self.books, self.codes)
        dim = config.width
        self.inputs = TokenInputs(config.inputs, dim, self.books, self.codes, config.block, shape.classes)
        self.dropout = nn.Dropout(config.dropout)
        rotary, weights = config.inputs.places == "none", config.attention_dropout
        self.blocks = nn.ModuleList(
            Block(dim, config.heads, config.dropout, causal=True, rotary=rotary, attention_dropout=weights)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.heads = nn.ModuleList(self._head(self.codes + (config.ending == "eos")) for _ in range(self.books))
        before = self.books - 1 if config.dependent else 0
        self.within = nn.ModuleList(nn.Embedding(self.codes, dim) for _ in range(before))
        for table in self.within:
            start_small(table)

    def _head(self, outputs: int) -> nn.Module:
        dim = self.config.width
        last = nn.Linear(dim, outputs, bias=False)
        start_small(last)
        return last if self.config.head == "linear" else nn.Sequential(nn.Linear(dim, dim), nn.GELU(), last)

    def train(self, mode: bool = True) -> PoseGPT:
        """Training mode, but for the tokeniser, which is frozen."""
        super().train(mode)
        self.tokeniser.eval()
        return self

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """All but the tokeniser's."""
        return [value for name, value in self.named_parameters() if not name.startswith("tokeniser.")]

    def run(self, x: Float[Tensor, "R M D"], memories: list[Memory] | None = None) -> Float[Tensor, "R M D"]:
        """The blocks."""
        x = self.dropout(x)
        for place, block in enumerate(self.blocks):
            x = block(x, None, None if memories is None else memories[place])
        return self.norm(x)

    def logits(self, hidden: Float[Tensor, "*b D"], codes: list[Tensor]) -> Float[Tensor, "*b code"]:
        """Logits of the book after those whose codes are given."""
        for table, chosen in zip(self.within, codes, strict=False):
            hidden = hidden + table(chosen.clamp(0, self.codes - 1))
        return self.heads[len(codes)](hidden)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Cross-entropy of the true codes, mean over books and tokens; `accuracy` is the share predicted right."""
        with torch.no_grad():
            truth = self.tokeniser.encode(batch.target, batch.query.valid)[:, : self.config.block]
            given = self._corrupted(truth)
        labels = self.inputs.labels(batch.query)
        if self.training and self.config.forget and labels[0] is not None:
            kept = torch.rand(len(truth), 1, device=truth.device) >= self.config.forget
            labels = (labels[0] * kept, labels[1])
        hidden = self.run(self.inputs(given[:, :-1], labels))
        mask = truth[..., 0] >= 0
        target = truth
        if self.config.ending == "eos":  # the first absent token is the end; those after it do not count
            target = truth.masked_fill(~mask[..., None], self.codes)
            mask = mask | functional.pad(mask, (1, 0), value=True)[:, :-1]
        scores = [self.logits(hidden, list(target[..., :book].unbind(-1))).float() for book in range(self.books)]
        each = [functional.cross_entropy(score.transpose(1, 2), target[..., book].clamp(min=0), reduction="none")
                for book, score in enumerate(scores)]  # fmt: skip
        right = [(score.argmax(-1) == target[..., book]).float() for book, score in enumerate(scores)]
        loss = masked_mean(torch.stack(each).mean(0), mask)
        return {"loss": loss, "accuracy": masked_mean(torch.stack(right).mean(0), mask).detach()}

    def _corrupted(self, tokens: Int[Tensor, "R N K"]) -> Int[Tensor, "R N K"]:
        if not self.training or self.config.keep >= 1:
            return tokens
        other = torch.randint_like(tokens, self.codes)
        return torch.where(
            (torch.rand(tokens.shape, device=tokens.device) < self.config.keep) | (tokens < 0), tokens, other
        )

    @torch.no_grad()
    def continue_tokens(
        self, query: Query, known: Int[Tensor, "R N K"], counts: Int[Tensor, " R"], uniform: Float[Tensor, "R N K"]
    ) -> Int[Tensor, "R N K"]:
        """Tokens after the first `counts` of each row; all randomness is in `uniform` numbers in (0, 1).

        Every token is computed once: the blocks remember keys and values. For many tokens, linear maps are packed
        (`models.posegpt.sampling.packed`).
        """
        config, guided = self.config, self.config.choice.guidance != 1 and self.inputs.action_table is not None
        labels = self.inputs.labels(query)
        if guided:  # the second half of the rows is given no action
            action, length = cast("tuple[Tensor, Tensor | None]", labels)
            labels = (torch.cat((action, 0 * action)), None if length is None else torch.cat((length, length)))
        tokens, total, base = known.clone(), known.shape[1], 0
        begin = int(counts.min()) if len(counts) else total
        rows = len(known) * (2 if guided else 1)
        kept = (self.tokeniser, self.inputs, self.shape)
        ready = packed(self, rows, kept) if total - begin >= _MANY else self
        memories: list[Memory] = []
        for step in range(begin, total):
            if not memories or step - base == config.block:
                base = step - config.block // 2 if step >= config.block else 0
                memories = [Memory(min(config.block, total - base)) for _ in self.blocks]
                given, first = tokens[:, base:step], 0
            else:
                given, first = tokens[:, step - 1 : step], step - base
            x = self.inputs(torch.cat((given, given)) if guided else given, labels, first=first)
            chosen = ready.choose(ready.run(x, memories)[:, -1], uniform[:, step], guided=guided)
            tokens[:, step] = torch.where((step < counts)[:, None], known[:, step], chosen)
        return tokens

    def choose(self, hidden: Tensor, uniform: Float[Tensor, "R K"], *, guided: bool) -> Int[Tensor, "R K"]:
        """The codes of a token, book after book; where `guided`, the second half of `hidden` has no action."""
        codes: list[Tensor] = []
        for book in range(self.books):
            given = [torch.cat((code, code)) for code in codes] if guided else codes
            scores = self.logits(hidden, given)
            if book:
                scores = scores[:, : self.codes]  # the first book alone can end the motion
            codes.append(self.config.choice.pick(scores, uniform[:, book], guided=guided))
        return torch.stack(codes, -1)

    def at_temperature(self, temperature: float) -> PoseGPT:
        """See `Model.at_temperature`."""
        other = copy.copy(self)
        choice = replace(self.config.choice, temperature=temperature)
        other.config = replace(self.config, choice=choice)
        return other

    @torch.no_grad()
    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """Observed frames unchanged, the rest from codes. The past is given in whole tokens, rounded down.

        Raises UsageError where a row has no frame at all.
        """
        batch, frames, _ = query.observed.shape
        length = query.valid.sum(1)
        if frames == 0 or int(length.min()) == 0:
            raise UsageError(expected="at least one frame", got="a length of 0", cure="Ask for a longer motion.")
        prefix = prefix_length(query)
        counts = prefix // self.factor
        total = -(-int(length.max()) // self.factor)
        known = self._known(query, counts, total)
        chance = row_noise(generator, samples, batch, total, self.books).flatten(0, 1).to(query.observed)
        rows = query.map(lambda tensor: tensor.repeat(samples, *[1] * (tensor.ndim - 1)))
        tokens = self.continue_tokens(
            rows, known.repeat(samples, 1, 1), counts.repeat(samples), torch.special.ndtr(chance)
        )
        there = torch.arange(total, device=prefix.device) < -(-rows.valid.sum(1) // self.factor)[:, None]
        there &= (tokens[..., 0] < self.codes).long().cumprod(1).bool()  # up to an early end
        there[:, 0] = True
        answer = self._frames(tokens, there, frames)
        return joined(rows, answer, prefix.repeat(samples), self.config.blend).unflatten(0, (samples, batch))

    def _known(self, query: Query, counts: Int[Tensor, " B"], total: int) -> Int[Tensor, "B N K"]:
        """Tokens of the past, -1 after it; unknown frames are not read."""
        most = int(counts.max())
        known = counts.new_full((len(counts), total, self.books), -1)
        if most:
            frames = most * self.factor
            past = torch.arange(frames, device=counts.device) < (counts * self.factor)[:, None]
            known[:, :most] = self.tokeniser.encode(query.observed[:, :frames], past)
        return known

    def _frames(self, tokens: Tensor, there: Bool[Tensor, "R N"], frames: int) -> Float[Tensor, "R T F"]:
        """Decoded frames; after its end, a motion holds its last frame."""
        tokens = tokens.clamp(max=self.codes - 1).masked_fill(~there[..., None], -1)
        decoded = calmed(self.tokeniser.decode(tokens), self.config.calm)
        last = there.sum(1)[:, None] * self.factor - 1
        index = torch.minimum(torch.arange(frames, device=last.device), last)
        return decoded.gather(1, index[..., None].expand(-1, -1, decoded.shape[2]))


def _check(config: PoseGPT.Config, books: int, codes: int) -> None:
    if config.width % books:
        raise UsageError(
            expected=f"a width that {books} books share",
            got=f"{config.width}",
            cure=f"Set width to a multiple of {books}.",
        )
    if config.choice.top_k > codes:
        raise UsageError(
            expected=f"top_k from 0 (all) to the {codes} codes of a book",
            got=f"{config.choice.top_k}",
            cure=f"Set choice.top_k to {codes} or less.",
        )
