"""Weights of the released PoseGPT under our names: of its tokeniser, its prior, or a state that holds both.

The tokeniser's key, query and value become one map, a book's table a row of ours; the prior's tables are recognised by
name or size. Masks of attention and frozen sinusoids are left out: they are computed here. Modules whose names are not
documented (a stack's convolution, its norm and its last map) are recognised by shape. Nothing is permuted:
`places="interleaved"` has the released order of channels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from kinema.nn.transformer import sinusoid

_BLOCK = {"ln1": "norm_self", "ln2": "norm_feed", "attn.proj": "leave", "mlp.0": "feed.0", "mlp.2": "feed.2"}
_PLAIN = {"emb": "enter", "quant_emb": "to_code", "post_quant_emb": "from_code"}
_HEADS = {"reg_body": "pose_head", "reg_root": "path_head"}
_TOKENS = re.compile(
    r"(?:^|\.)((?:encoder_stacks|decoder_stacks|quantizer|quant_emb|post_quant_emb|reg_body|reg_root|emb)\.)"
)


def from_released(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Our tensors, and the released names without a counterpart.

    A tokeniser's tensors get the names of `PoseTokens`, a prior's those of `PoseGPT`; beside a prior, a tokeniser gets
    the names that it has inside `PoseGPT`. What the release does not store has its initial value: the usage of codes
    and the scales of losses.
    """
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    inner = {name: name.split("gpt.", 1)[1] for name in plain if re.match(r"(?:.*\.)?gpt\.", name)}
    prior = {new: plain[name] for name, new in inner.items()}
    rest = {name: tensor for name, tensor in plain.items() if name not in inner}
    tables = {name: rest.pop(name) for name in list(rest) if prior and not _TOKENS.search(name)}
    coded = {name: _from_first_part(name) for name in rest}
    tokens, lost = _tokens({new: rest[name] for name, new in coded.items()})
    unplaced = [name for name, new in coded.items() if new in lost]
    if not prior:
        return tokens, unplaced
    placed, lost = _prior(prior | tables)
    back = {new: name for name, new in inner.items()}
    return {f"tokeniser.{name}": tensor for name, tensor in tokens.items()} | placed, unplaced + [
        back.get(name, name) for name in lost
    ]


def _from_first_part(name: str) -> str:
    found = _TOKENS.search(name)
    return name[found.start(1) :] if found else name


def _tokens(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    made: dict[str, Tensor] = {}
    left = dict(state)
    for side in ("encoder", "decoder"):
        for number in _numbers(left, rf"{side}_stacks\.(\d+)\."):
            prefix = f"{side}_stacks.{number}."
            own = {name.removeprefix(prefix): left.pop(name) for name in list(left) if name.startswith(prefix)}
            placed, lost = _stack(own, "halve" if side == "encoder" else "spread")
            made |= {f"{side}.{number}.{name}": tensor for name, tensor in placed.items()}
            left |= {prefix + name: own[name] for name in lost}
    for theirs, ours in _PLAIN.items():
        _move(left, made, theirs, ours)
    for theirs, ours in _HEADS.items():
        for place, number in enumerate(_numbers(left, rf"{theirs}\.(\d+)\.weight")):
            _move(left, made, f"{theirs}.{number}", f"{ours}.{2 * place}")
    books = _numbers(left, r"quantizer\.embeddings\.(\d+)\.weight")
    if books:
        table = torch.stack([left.pop(f"quantizer.embeddings.{book}.weight") for book in books])
        made["quantiser.table"] = table
        made["quantiser.usage"] = torch.ones(table.shape[:2])
        made["scales"] = torch.zeros(5)
    return made, [name for name, tensor in left.items() if not _computed(name, tensor)]


def _stack(own: dict[str, Tensor], resampler: str) -> tuple[dict[str, Tensor], list[str]]:
    """A stack's blocks by name; its convolution (3 dimensions), norm (1) and last map (2) by shape."""
    made, left = _blocks(own)
    for name in [name for name in left if name.endswith(".weight") or "." not in name]:
        if name not in left or _computed(name, left[name]):
            continue
        ours = {1: "norm", 2: "leave", 3: f"{resampler}.conv"}.get(left[name].ndim)
        if ours and f"{ours}.weight" not in made:
            _move(left, made, name.removesuffix(".weight"), ours)
    return made, [name for name, tensor in left.items() if not _computed(name, tensor)]


def _prior(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    made, left = _blocks(state)
    _move(left, made, "ln_f", "norm")
    _move(left, made, "tok_emb", "inputs.token_table")
    _move(left, made, "fc_emb", "inputs.fuse")
    for head in _numbers(left, r"list_head\.(\d+)\."):
        _move(left, made, f"list_head.{head}", f"heads.{head}")
        for place, number in enumerate(_numbers(left, rf"list_head\.{head}\.(\d+)\.weight")):
            _move(left, made, f"list_head.{head}.{number}", f"heads.{head}.{2 * place}")
    for name in list(left):
        tensor = left[name]
        word = name.removesuffix(".weight").rsplit(".", 1)[-1]
        ours = None
        if "pos" in word and tensor.shape[-1] == _width(made) and not _computed(name, tensor):
            ours = "inputs.place_table"
        elif tensor.ndim == 2 and tensor.shape[1] == _width(made):
            if "act" in word or (len(tensor) == 64 and "len" not in word):
                ours = "inputs.action_table.weight"
            elif "len" in word or len(tensor) == 1024:
                ours = "inputs.length_table.weight"
        if ours and ours not in made:
            made[ours] = left.pop(name).reshape(-1, tensor.shape[-1])
    return made, [name for name, tensor in left.items() if not _computed(name, tensor)]


def _blocks(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The blocks under our names, and what is not of any."""
    left, made = dict(state), dict[str, Tensor]()
    for number in _numbers(left, r"blocks\.(\d+)\."):
        for theirs, ours in _BLOCK.items():
            _move(left, made, f"blocks.{number}.{theirs}", f"blocks.{number}.{ours}")
        for kind in ("weight", "bias"):
            parts = [f"blocks.{number}.attn.{part}.{kind}" for part in ("query", "key", "value")]
            if all(part in left for part in parts):
                made[f"blocks.{number}.ask.{kind}"] = torch.cat([left.pop(part) for part in parts])
    return made, left


def _move(left: dict[str, Tensor], made: dict[str, Tensor], theirs: str, ours: str) -> None:
    for kind in ("weight", "bias"):
        if f"{theirs}.{kind}" in left:
            made[f"{ours}.{kind}"] = left.pop(f"{theirs}.{kind}")


def _numbers(names: Iterable[str], pattern: str) -> list[int]:
    return sorted({int(found[1]) for found in (re.match(pattern, name) for name in names) if found})


def _width(made: Mapping[str, Tensor]) -> int:
    return len(made["norm.weight"]) if "norm.weight" in made else -1


def _computed(name: str, tensor: Tensor) -> bool:
    """Whether this is computed here: a mask of attention, or the sinusoid."""
    if re.search(r"\battn\.(?:mask|bias)$", name):
        return True
    table = tensor.squeeze()
    if table.ndim != 2 or table.shape[1] % 2 or not table.is_floating_point():
        return False
    # Released tables were made in float32, by exponentials of up to -9.
    return bool(torch.allclose(table, sinusoid(torch.arange(len(table)), table.shape[1], interleaved=True), atol=1e-3))
