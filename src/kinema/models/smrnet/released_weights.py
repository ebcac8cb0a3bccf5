"""Weights of SMRNet's released code -> the names of `SMRNet`, by the contents of each module.

The parts of the released network are recognised by their contents, whatever their path:

* a twin graph convolution: `gcn1`, `gcn2` and a linear map beside them. In gcn1 the matrix [D, D] is W and [n, n] is
  A; in gcn2 they are exchanged (n coefficients, D the width).
* a module with one twin, a learnt position [n, D] and a map from features embeds the observation; one with two is a
  layer. Layers are in the order of the file.
* attention: linear maps named query, key and value, without biases. Layer norms beside them are, in order, those of x,
  of the condition (in layers), of the result.
* a layer's two other maps [D, D], in order: backcast, forecast.
* the rest: the map from features, the map to features, and two maps [D, D], in order, of the level.

The released recordings have z up, here y is up: features x, z, -y of each joint. The maps from and to features are
converted accordingly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_ROLES = {"query": r"q(uery)?", "key": r"k(ey)?", "value": r"v(alue)?"}


def from_released(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by our names, and the released names without a counterpart."""
    reading = _Reading(state)
    twins = reading.twins()
    homes: dict[str, list[str]] = {}
    for twin in twins:
        homes.setdefault(_parent(twin), []).append(twin)
    layers = 0
    for home, inside in homes.items():
        if len(inside) == 1:
            reading.observation(home, inside[0])
        elif len(inside) == 2:
            reading.layer(home, inside, f"denoiser.layers.{layers}")
            layers += 1
    reading.outside(homes)
    return reading.found, [name for name in state if name not in reading.used]


class _Reading:
    """The tensors found so far, and the released names that were used."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state = state
        self.found: dict[str, Tensor] = {}
        self.used: set[str] = set()
        self.modules: dict[str, dict[str, Tensor]] = {}  # path -> own tensors, in the order of the file
        for name, value in state.items():
            self.modules.setdefault(_parent(name), {})[name.rpartition(".")[2]] = value
        self.width, self.count = 0, 0

    def twins(self) -> list[str]:
        """The paths of all twin graph convolutions, in order."""
        paths = [path for path in self.modules if re.search(r"(^|\.)gcn_?1$", path)]
        for path in paths[:1]:
            own = self.modules[path]
            self.width = next((len(value) for value in own.values() if value.ndim == 1), 0)
            squares = [len(value) for value in own.values() if value.ndim == 2]
            self.count = next((side for side in squares if side != self.width), 0)
        return [_parent(path) for path in paths]

    def put(self, ours: str, path: str, name: str, value: Tensor | None = None) -> None:
        """Take one released tensor, changed to `value` where that is given."""
        full = f"{path}.{name}" if path else name
        self.used.add(full)
        self.found[ours] = self.state[full] if value is None else value

    def linear(self, ours: str, path: str) -> None:
        """Take a module's weight and bias."""
        for name in self.modules[path]:
            self.put(f"{ours}.{name}", path, name)

    def twin(self, path: str, ours: str) -> None:
        """Take a twin graph convolution."""
        for module, own in self.modules.items():
            if _parent(module) != path:
                continue
            convolution = re.fullmatch(r"gcn_?([12])", module.rpartition(".")[2])
            if convolution is None:
                if self._is_map(own, self.width, self.width):
                    self.linear(f"{ours}.leave", module)
                continue
            first = convolution[1] == "1"
            part = f"{ours}.{'over_tokens' if first else 'over_features'}"
            for name, value in own.items():
                if value.ndim == 1:
                    self.put(f"{part}.bias", module, name)
                elif value.ndim == 2:
                    mixes_nodes = (len(value) == self.count) == first
                    self.put(f"{part}.{'nodes' if mixes_nodes else 'weight'}", module, name)

    def attention(self, home: str, ours: str, condition: str | None) -> None:
        """Take the attention below `home`; `condition` is our name of the condition's norm."""
        below = [path for path in self.modules if path.startswith(f"{home}." if home else "")]
        places = set[str]()
        for role, pattern in _ROLES.items():
            for path in below:
                named = re.fullmatch(rf"(to_|w_?|linear_?)?{pattern}", path.rpartition(".")[2], re.IGNORECASE)
                if named and set(self.modules[path]) == {"weight"}:
                    self.linear(f"{ours}.{role}", path)
                    places.add(_parent(path))
        norms = [path for path in below if _parent(path) in places and self._is_norm(self.modules[path])]
        names = [f"{ours}.norm", *([condition] if condition else []), f"{ours}.leave"]
        if len(norms) == len(names):
            for name, path in zip(names, norms, strict=True):
                self.linear(name, path)

    def layer(self, home: str, twins: list[str], ours: str) -> None:
        """Take one layer."""
        for name, twin in zip(("first", "second"), twins, strict=True):
            self.twin(twin, f"{ours}.{name}")
        self.attention(home, f"{ours}.attention", f"{ours}.source_norm")
        maps = [
            path
            for path, own in self.modules.items()
            if _parent(path) == home and self._is_map(own, self.width, self.width)
        ]
        if len(maps) == 2:
            self.linear(f"{ours}.back", maps[0])
            self.linear(f"{ours}.forth", maps[1])

    def observation(self, home: str, twin: str) -> None:
        """Take what embeds the observation."""
        ours = "denoiser.observe"
        self.twin(twin, f"{ours}.graph")
        self.attention(home, f"{ours}.attention", None)
        for name, value in self.modules.get(home, {}).items():
            if tuple(value.shape[-2:]) == (self.count, self.width):
                self.put(f"{ours}.places", home, name, value.reshape(self.count, self.width))
        for path, own in self.modules.items():
            if _inside(path, [home]) and not _inside(path, [twin]) and self._reads_features(own):
                self._reading_map(f"{ours}.enter", path)

    def outside(self, homes: Mapping[str, list[str]]) -> None:
        """Take the maps that belong to no layer."""
        nested = [home for home in homes if home]
        time: list[str] = []
        for path, own in self.modules.items():
            if _inside(path, nested):
                continue
            if self._reads_features(own):
                self._reading_map("denoiser.enter", path)
            elif self._is_map(own, None, self.width):
                self._writing_map("denoiser.leave", path)
            elif self._is_map(own, self.width, self.width):
                time.append(path)
        if len(time) == 2:
            self.linear("denoiser.time.0", time[0])
            self.linear("denoiser.time.2", time[1])

    def _reading_map(self, ours: str, path: str) -> None:
        self.put(f"{ours}.weight", path, "weight", upright(self.modules[path]["weight"].T).T)
        self.put(f"{ours}.bias", path, "bias")

    def _writing_map(self, ours: str, path: str) -> None:
        for name, value in self.modules[path].items():
            self.put(f"{ours}.{name}", path, name, upright(value))

    def _is_map(self, own: Mapping[str, Tensor], out: int | None, enter: int) -> bool:
        if set(own) != {"weight", "bias"} or own["weight"].ndim != 2:
            return False
        rows, columns = own["weight"].shape
        return columns == enter and (rows == out if out is not None else rows != self.width)

    def _is_norm(self, own: Mapping[str, Tensor]) -> bool:
        return set(own) == {"weight", "bias"} and own["weight"].shape == (self.width,)

    def _reads_features(self, own: Mapping[str, Tensor]) -> bool:
        if set(own) != {"weight", "bias"} or own["weight"].ndim != 2:
            return False
        rows, columns = own["weight"].shape
        return rows == self.width and columns not in (self.width, self.count) and columns % 3 == 0


def upright(rows: Tensor) -> Tensor:
    """Rows of features x, y, z of joints with z up -> rows of x, z, -y: the same with y up."""
    x, y, z = rows.unflatten(0, (-1, 3)).unbind(1)
    return torch.stack((x, z, -y), 1).flatten(0, 1)


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _inside(path: str, homes: list[str]) -> bool:
    return any(path == home or path.startswith(f"{home}.") for home in homes)
