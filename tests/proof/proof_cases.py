"""What is asked, by name, and how an answer is put into a few numbers.

Everything goes through `python -m kinema` (its main module, run in this process) and `kn.open`, `kn.load`, `kn.save`,
so that the same questions can be put to any tree of the package.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import runpy
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from proof_inputs import DATA, write_clips

GOLDEN = Path(__file__).with_name("golden.json")
Fact = dict[str, Any]
FILES = ("mixamo", "lafan", "inches")


@dataclass
class Work:
    """A folder with the inputs, which are written when first asked for, and a place for each answer."""

    folder: Path
    _made: dict[str, Path] = field(default_factory=dict)

    def clip(self, name: str) -> Path:
        self._once("clips", write_clips)
        return self.folder / "clips" / name

    def data(self, name: str) -> Path:
        return self._once(name, DATA[name])

    def out(self, name: str) -> Path:
        path = self.folder / "out" / name.replace("/", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, recipe: str, pack: str | None = None) -> Path:
        """The folder of a run of a recipe's tiny twin, two steps of each stage, trained when first asked for.

        On synthetic motion, or on a `pack`. In float32 whatever the recipe says: what a processor does with bfloat16,
        and whether it is chosen there, is not what is compared here.
        """
        return self._once(f"run-{recipe}", lambda folder: self._train(folder, recipe, pack))

    def _train(self, folder: Path, recipe: str, pack: str | None) -> None:
        options = ("--device", "cpu", "--seed", "0", "--steps")
        kinema("train", recipe, "--tiny", "--out", folder / "first", *options, "1")
        twin = json.loads((folder / "first" / "config.json").read_text())["recipe"]
        for stage in twin["stages"]:
            stage["precision"] = "float32"
        if pack is not None:
            twin["source"] = {"kind": "LabelledPack", "pack": pack}
        (folder / "recipe.json").write_text(json.dumps(twin))
        data = () if pack is None else ("--data", self.data("bandai"))
        kinema("train", folder / "recipe.json", "--out", folder / "run", *options, "2", *data)

    def _once(self, name: str, write: Callable[[Path], None]) -> Path:
        if name not in self._made:
            folder = self.folder / name
            folder.mkdir()
            write(folder)
            self._made[name] = folder
        return self._made[name]


def kinema(*arguments: object) -> str:
    """Run the command line and give what it writes on standard output. Raises AssertionError where it fails."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    words = patch.object(sys, "argv", ["kinema", *map(str, arguments)])
    with words, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module("kinema", run_name="__main__")
        except SystemExit as left:
            code = left.code
    assert not code, f"kinema {' '.join(map(str, arguments))} left with {code}: {err.getvalue()[-2000:]}"
    return out.getvalue()


def shorten(protocol: str) -> None:
    """Make a protocol of generation cheap: two repetitions, evaluators and classifiers of three steps.

    No public door says this, so the protocol is looked for by its name among everything that is imported. An error here
    means that it keeps its effort elsewhere now: say so here, and record nothing anew.
    """
    importlib.import_module("kinema.protocols.registry")
    for module in [module for name, module in sys.modules.items() if name.startswith("kinema")]:
        for thing in [thing for key, thing in vars(module).items() if key.isupper()]:
            if getattr(thing, "name", None) == protocol and hasattr(thing, "effort"):
                little = replace(thing.effort, repetitions=2, most=6, evaluator_steps=3, classifier_steps=3)
                object.__setattr__(thing, "effort", little)
                return
    raise AssertionError(f"no protocol {protocol} with an effort was found")


def read_golden() -> dict[str, Fact]:
    return json.loads(GOLDEN.read_text())


def write_golden(facts: dict[str, Fact]) -> None:
    """One case a line, so that a change shows which cases it is of."""
    lines = [f"{json.dumps(name)}:{json.dumps(fact, separators=(',', ':'))}" for name, fact in facts.items()]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


# What an answer is in numbers


def whole(array: np.ndarray) -> Fact:
    """An array as its shape, mean, size, a sum in which every entry has its own weight, and six entries."""
    values = array.astype(np.float64).reshape(-1)
    if not values.size:
        return {"shape": list(array.shape)}
    bad = ~np.isfinite(values)
    values = np.where(bad, 0, values)
    weights = np.cos(1.0 + 0.7 * np.arange(values.size) ** 1.1)
    picked = values[(np.arange(6) * 7919 + 13) % values.size]
    size = float(np.sqrt((values**2).mean()))
    numbers = [float(values.mean()), size, float((values * weights).sum() / np.sqrt(values.size)), *map(float, picked)]
    fact = {"shape": list(array.shape), "numbers": [rounded(x) for x in numbers]}
    return fact | {"unknown": int(bad.sum())} if bad.any() else fact


def rounded(value: float) -> float:
    return float(f"{value:.6g}")


def text(lines: list[str]) -> str:
    """Lines as their number, the first and the last, and a checksum of all."""
    first, last = (lines[0], lines[-1]) if lines else ("", "")
    return f"{len(lines)} lines, {first} ... {last}, {zlib.crc32(chr(10).join(lines).encode())}"


def angles(degrees: np.ndarray) -> dict[str, Fact]:
    """Angles as sines and cosines: -180 and 180 are the same."""
    radians = np.deg2rad(degrees)
    return {"sines": whole(np.sin(radians)), "cosines": whole(np.cos(radians))}


def of_npz(path: Path) -> Fact:
    found: Fact = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in sorted(arrays.files):
            array = arrays[key]
            if key in ("global_rot_mats", "identity", "format_version", "up", "unit"):
                continue  # what follows from the local rotations, and what is the same in every file
            if key == "foot_contacts":
                found[key] = {"shape": list(array.shape), "share": rounded(float(array.mean()))}
            elif array.dtype.kind == "U":
                found[key] = text([str(one) for one in array.reshape(-1)])
            else:
                found[key] = whole(array)
    return found


def of_bvh(path: Path) -> Fact:
    head, _, tail = path.read_text().partition("MOTION")
    lines = [line.split() for line in head.splitlines()]
    names = [" ".join(line) for line in lines if line and line[0] in ("ROOT", "JOINT", "CHANNELS", "End")]
    offsets = np.array([list(map(float, line[1:])) for line in lines if line and line[0] == "OFFSET"])
    turns = np.array(
        [word.endswith("rotation") for line in lines if line and line[0] == "CHANNELS" for word in line[2:]]
    )
    count, step, *rows = tail.strip().splitlines()
    values = np.array([list(map(float, row.split())) for row in rows])
    times = [float(line.split(":")[1]) for line in (count, step)]
    return {
        "names": text(names), "offsets": whole(offsets), "times": whole(np.array(times)),
        "moves": whole(values[:, ~turns]), **angles(values[:, turns]),
    }  # fmt: skip


def of_csv(path: Path) -> Fact:
    head, *rows = [line.split(",") for line in path.read_text().splitlines() if not line.startswith("#")]
    named = [place for place, name in enumerate(head) if name in ("joint", "parent")]
    values = np.array([[float(cell or "nan") for place, cell in enumerate(row) if place not in named] for row in rows])
    return {
        "columns": text(head),
        "names": text([row[place] for row in rows for place in named]),
        "values": whole(values),
    }


def of_glb(path: Path) -> Fact:
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    page = json.loads(data[20 : 20 + length])
    binary = data[20 + length + 8 :]
    found: dict[str, list[np.ndarray]] = {}
    for accessor in page["accessors"]:
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        kind = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
        view = page["bufferViews"][accessor["bufferView"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        array = np.frombuffer(binary, kind, accessor["count"] * width, start)
        found.setdefault(f"{accessor['type']} {kind}", []).append(array)
    arrays = {key: whole(np.concatenate(parts)) for key, parts in sorted(found.items())}
    return {"nodes": text([node.get("name", "") for node in page["nodes"]]), **arrays}


def of_json(path: Path) -> Fact:
    numbers: list[float] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for key in sorted(part):
                walk(part[key])
        elif isinstance(part, list):
            for one in part:
                walk(one)
        elif isinstance(part, (int, float)):
            numbers.append(float(part))

    walk(json.loads(path.read_text()))
    return {"numbers": whole(np.array(numbers))}


READERS: dict[str, Callable[[Path], Fact]] = {
    ".npz": of_npz, ".bvh": of_bvh, ".csv": of_csv, ".glb": of_glb, ".json": of_json,
}  # fmt: skip


def pruned(part: Any) -> Any:
    """A JSON document without prose, file names and what was published: numbers, names of one word, and truths."""
    if isinstance(part, dict):
        kept = {key: pruned(value) for key, value in part.items() if key not in _PROSE}
        return {key: value for key, value in kept.items() if value not in (None, {}, [])}
    if isinstance(part, list):
        kept = [pruned(value) for value in part]
        names = [value for value in kept if isinstance(value, str)]
        if len(names) == len(part):
            return text(sorted(names)) if names else []  # some lists of joints come from a set
        return [] if all(value is None for value in kept) else kept
    if isinstance(part, str):
        return part if part and not set(part) & set(" /\\") else None
    return rounded(part) if isinstance(part, float) else part


_PROSE = frozenset(
    {
        "published", "notes", "metrics", "conventions", "leak", "licence", "file", "files", "why", "what", "columns",
        "classical", "deciding", "evaluator", "evaluator of steps", "half of the 95 % interval",
        "FID-DCT",
        "filled",  # newer than the record; it follows from the frames and the gaps, and has a test of its own
    }
)  # fmt: skip
"""What is not compared: prose, paths, what was published; the hash of an evaluator, which no two processors share; the
spread over two repetitions, which is the rounding of their mean; and an FID by thirty numbers of three to twelve
windows, whose covariance is rounding (it differed by a factor of three between processors)."""


def column(part: Any, model: str) -> Any:
    """A report with the model's own column alone, where methods stand beside each other."""
    if isinstance(part, dict):
        own = {model: part[model]} if isinstance(part.get(model), float) else part
        return {key: column(value, model) for key, value in own.items()}
    return [column(value, model) for value in part] if isinstance(part, list) else part


# What is asked

Ask = Callable[[Work], Fact]


@dataclass(frozen=True)
class Case:
    """A question by its name, and how far an answer may be off (`proof_compare.LIMITS` says what each means)."""

    name: str
    ask: Ask
    limit: str


def verb(name: str, suffix: str, *words: str, report: bool = True) -> Ask:
    """The answer and the report of a command, in whose words `@x` is the input clip x and `!` the file to write."""

    def ask(work: Work) -> Fact:
        out = work.out(name + suffix)
        arguments = [work.clip(word[1:]) if word.startswith("@") else out if word == "!" else word for word in words]
        said = kinema(*arguments, *(("--json",) if report else ()))
        found: Fact = {"answer": READERS[suffix](out)} if out.is_file() else {}
        return found | ({"report": pruned(json.loads(said))} if report else {})

    return ask


def generated(name: str, suffix: str, *words: str) -> Ask:
    def ask(work: Work) -> Fact:
        folder = work.out(name)
        kinema("generate", *words, "--formats", suffix[1:], "--out", folder, "--json")
        return {path.name: READERS[suffix](path) for path in sorted(folder.rglob(f"*{suffix}"))}

    return ask


def scored(model: str, protocol: str, data: str) -> Ask:
    def ask(work: Work) -> Fact:
        said = pruned(json.loads(kinema("eval", model, "--protocol", protocol, "--data", work.data(data), "--json")))
        return column(said, model) if (model, protocol) in OWN_COLUMN else said

    return ask


def scored_run(recipe: str, protocol: str, pack: str | None) -> Ask:
    def ask(work: Work) -> Fact:
        run = work.run(recipe, pack) / "run"
        if protocol.startswith("action-generation"):
            shorten(protocol)
        data = () if pack is None else ("--data", work.data("bandai"))
        with patch.dict(os.environ, KINEMA_CACHE=str(work.folder / "cache")):
            return pruned(json.loads(kinema("eval", run, "--protocol", protocol, "--json", *data)))

    return ask


def in_python(name: str, ask: Callable[[Any, Any], Any]) -> Ask:
    """A question through `kn.open` and its clip: what comes back is saved by `kn.save`, and read."""

    def answer(work: Work) -> Fact:
        import kinema as kn

        found = ask(kn, kn.load(work.clip("lafan.bvh")))
        for part in ("samples", "motion"):
            found = getattr(found, part, found)
        path = work.out(f"{name}.npz")
        kn.save(found, path)
        return of_npz(path)

    return answer


def evaluated(work: Work) -> Fact:
    import kinema as kn

    return pruned(kn.evaluate("running-average-2", "h36m-stochastic", work.data("positions")).to_json())


def listed(*words: str) -> Ask:
    return lambda work: {"said": pruned(json.loads(kinema(*words, "--json")))}


FORECASTERS = ("smrnet", "simlpe-cmu", "conv-seq2seq-cmu", "posegpt", "render-in-between")
BASELINES = (
    "zero-velocity", "constant-velocity", "running-average-2", "running-average-4", "linear", "cubic", "slerp",
)  # fmt: skip
CURVES = ("hold", "linear", "cubic", "pchip", "squad", "auto")
COMPLETERS = ("smrnet", "render-in-between", "posegpt")
ACTIONS = ("walk", "jump")
TABLES = (
    ("zero-velocity", "cmu-legacy", "cmu"), ("simlpe-cmu", "cmu-legacy", "cmu"),
    ("slerp", "cmu-physical", "cmu"), ("linear", "h36m-legacy", "h36m"),
    ("smrnet", "open-stochastic", "open"), ("zero-velocity", "h36m-stochastic", "positions"),
    ("nearest-neighbour", "humaneva-stochastic", "positions"), ("constant-velocity", "amass-stochastic", "amass"),
    ("squad", "lafan1", "lafan"), ("render-in-between", "lafan1", "lafan"), ("savgol", "open-inbetween", "open"),
    ("render-in-between", "open-inbetween", "open"), ("render-in-between-2d", "rib", "open"),
    ("render-in-between", "upsample-grid", "open"),
)  # fmt: skip
# The other columns of these tables are those of the same protocol's other row.
OWN_COLUMN = (("render-in-between", "lafan1"), ("render-in-between", "open-inbetween"))


def cases() -> Iterator[Case]:
    yield from _forecasts()
    yield from _fills()
    yield from _video()
    yield from _generations()
    yield from _files()
    yield from _python()
    for model, protocol, data in TABLES:
        yield Case(f"eval/{protocol}/{model}", scored(model, protocol, data), "table")
    for recipe, protocol, pack, limit in (
        ("posegpt", "tokens", None, "table"), ("posegpt", "mmd-legacy", None, "table"),
        ("action-gan", "mmd-legacy", None, "table"), ("action-gan", "action-generation", None, "judged"),
        ("action-gan-bandai2", "action-generation-bandai2", "bandai2", "judged"),
    ):  # fmt: skip
        yield Case(f"eval/{protocol}/tiny {recipe}", scored_run(recipe, protocol, pack), limit)


def _forecasts() -> Iterator[Case]:
    for model in (*FORECASTERS, *BASELINES):
        for file in FILES:
            name = f"forecast/{model}/{file}"
            words = ("forecast", model, f"@{file}.bvh", "--out", "!", "--samples", "2" if model == "smrnet" else "1")
            yield Case(name, verb(name, ".npz", *words), _limit(model))
    for name, words in (
        ("forecast/smrnet/held", ("--hold", "left_arm,torso", "--seconds", "1")),
        ("forecast/smrnet/ended", ("--end", "@inches_after.bvh", "--seed", "3")),
        ("forecast/smrnet/appended", ("--append", "--seconds", "3")),
    ):
        yield Case(name, verb(name, ".bvh", "forecast", "smrnet", "@lafan.bvh", "--out", "!", *words), "learned")


def _fills() -> Iterator[Case]:
    for method in (*CURVES, *COMPLETERS):
        for file in FILES:
            end = ("--method", method, "--out", "!")
            for name, words in (
                (f"inbetween/{method}/{file}", ("inbetween", f"@{file}.bvh", "--keys", "0,9,20,40,49")),
                (f"upsample/{method}/{file}", ("upsample", f"@{file}.bvh", "--rate", "2.5")),
                (f"repair/{method}/{file}", ("repair", f"@{file}_bad.bvh")),
            ):
                yield Case(name, verb(name, ".bvh", *words, *end), _limit(method))
    pair = ("@mixamo.bvh", "@lafan_after.bvh", "--frames", "20", "--context", "5", "--align", "--out", "!")
    for name, method in (
        ("inbetween/auto/two clips", "auto"),
        ("inbetween/render-in-between/two clips", "render-in-between"),
    ):
        yield Case(name, verb(name, ".bvh", "inbetween", *pair, "--method", method), _limit(method))
    for name, words in (
        ("upsample/render-in-between/soft", ("upsample", "@lafan.bvh", "--fps", "50", "--keys", "soft")),
        ("repair/render-in-between/named", ("repair", "@lafan.bvh", "--frames", "12,20-27")),
        ("repair/squad/suspicious", ("repair", "@lafan_bad.bvh", "--strength", "2", "--keys", "soft")),
    ):
        method = name.split("/")[1]
        yield Case(name, verb(name, ".bvh", *words, "--method", method, "--out", "!"), _limit(method))


def _video() -> Iterator[Case]:
    for method in ("auto", "cubic", "render-in-between-2d"):
        end = ("--source-fps", "30", "--method", method, "--out", "!")
        for name, words in (
            (f"upsample/{method}/video", ("upsample", "@video.json", "--rate", "2")),
            (f"repair/{method}/video", ("repair", "@video.json", "--keys", "soft")),
        ):
            yield Case(name, verb(name, ".json", *words, *end), _limit(method))


def _generations() -> Iterator[Case]:
    for model in ("posegpt", "action-gan"):
        for action in ACTIONS:
            name = f"generate/{model}/{action}"
            yield Case(
                name, generated(name, ".npz", action, "--model", model, "--samples", "2", "--seed", "1"), _limit(model)
            )
        for name, words in (
            (f"generate/{model}/mixture", ("--action", "walk:0.5,run:0.5")),
            (f"generate/{model}/schedule", ("--schedule", "walk@0,jump@1s", "--seconds", "2.5")),
        ):
            yield Case(name, generated(name, ".bvh", *words, "--model", model), _limit(model))


def _files() -> Iterator[Case]:
    for file in FILES:
        for suffix in (".bvh", ".npz", ".glb", ".csv"):
            name = f"convert/{file}/{suffix[1:]}"
            yield Case(name, verb(name, suffix, "convert", f"@{file}.bvh", "!", report=False), "files")
        for suffix, words in ((".npz", ("--to", "smpl24")), (".bvh", ("--to", "canon17", "--fps", "20"))):
            name = f"convert/{file}/to {words[1]}"
            yield Case(name, verb(name, suffix, "convert", f"@{file}.bvh", "!", *words, report=False), "files")
        name = f"info/{file}"
        yield Case(name, verb(name, ".none", "info", f"@{file}.bvh"), "files")
        name = f"info/{file} damaged"
        yield Case(name, verb(name, ".none", "info", f"@{file}_bad.bvh"), "files")
        for target in (*(f"@{other}.bvh" for other in FILES if other != file), "cmu38"):
            name = f"retarget/{file}/{target.strip('@').removesuffix('.bvh')}"
            yield Case(name, verb(name, ".bvh", "retarget", f"@{file}.bvh", target, "--out", "!"), "files")
    name = "retarget/mixamo/feet locked"
    yield Case(name, verb(name, ".bvh", "retarget", "@mixamo.bvh", "@inches.bvh", "--out", "!", "--lock-feet"), "files")
    yield Case("models", listed("models"), "files")


def _python() -> Iterator[Case]:
    asked: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
        "load": ("files", lambda kn, clip: clip),
        "resample": ("files", lambda kn, clip: kn.resample(clip, 24)),
        "forecast": ("learned", lambda kn, clip: kn.open("smrnet").forecast(clip, seconds=1.0, samples=2, seed=5)),
        "inbetween": ("learned", lambda kn, clip: kn.open("render-in-between").inbetween(clip, keys=[0, 10, 35])),
        "upsample": ("files", lambda kn, clip: kn.open("auto").upsample(clip, rate=3)),
        "repair": ("learned", lambda kn, clip: kn.open("render-in-between").repair(clip, frames=[12, 13, 14])),
        "generate": ("learned", lambda kn, clip: kn.open("action-gan").generate("walk", seconds=2.0, seed=4)),
    }
    for name, (limit, ask) in asked.items():
        yield Case(f"python/{name}", in_python(f"python/{name}", ask), limit)
    yield Case("python/evaluate", evaluated, "table")


def _limit(method: str) -> str:
    # "auto" takes a model for keypoints.
    return "learned" if method in (*FORECASTERS, "render-in-between-2d", "action-gan", "auto") else "files"
