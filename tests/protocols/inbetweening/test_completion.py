"""The protocols of completion: what is asked, how it is scored, and where a model may be offered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.data.synthetic import perform
from kinema.io.formats import save
from kinema.motion import skeletons as catalog
from kinema.motion.edit import facing, rotate, shift
from kinema.motion.motion import Motion, Points
from kinema.pipeline.completion.gap_plan import Gap, GapRange, released
from kinema.protocols.inbetweening.classical import CLASSICAL, Classical
from kinema.protocols.inbetweening.gaps import (
    LAFAN1,
    OPEN_INBETWEEN,
    PositionStatistics,
    gap_scores,
    heading,
    known_frames,
    recordings,
    starts,
    windows,
)
from kinema.protocols.inbetweening.protocol import blanked
from kinema.protocols.inbetweening.release import offered, release_table, write_release
from kinema.protocols.inbetweening.upsampling import UpsampleGrid, noisy_motion, noisy_points, project, windows_of
from kinema.protocols.report import markdown, rich_tables
from kinema.protocols.tables import cell_name

GOLDEN: dict[str, dict[str, tuple[float, ...]]] = {
    "hold": {
        "l2q_strict": (0.56, 1.10, 1.51, 1.81),
        "l2p": (1.5230, 3.6944, 6.6002, 9.3289),
        "npss_strict": (0.0053, 0.0522, 0.2318, 0.4918),
    },
    "linear": {
        "l2q_strict": (0.22, 0.62, 0.98, 1.25),
        "l2p": (0.3729, 1.2488, 2.3158, 3.4469),
        "npss_strict": (0.0023, 0.0391, 0.2013, 0.4493),
    },
}
"""Scores of the benchmark's own baselines: "hold" is its zero velocity, "linear" its interpolation."""


def clip(frames: int = 140, seed: int = 0) -> Motion:
    return perform("walk", seconds=frames / 30, fps=30, seed=seed)[:frames]


@dataclass(frozen=True)
class Knowing(Classical):
    """Gives the truth, shifted: what a perfect method with a constant mistake would say."""

    truth: Motion | None = None
    by: float = 0.0

    def complete(self, clip, known, confidence=None):  # type: ignore[no-untyped-def]
        assert self.truth is not None
        answer = self.truth[: clip.frames]
        return replace(answer, root=answer.root + torch.tensor([self.by, 0.0, 0.0]))


def one_batch() -> Motion:
    return next(windows(clip(), 65, 40, facing))


def test_the_benchmarks_loop_leaves_out_a_window_that_ends_at_the_last_frame() -> None:
    assert list(starts(65, 65, 40)) == []
    assert list(starts(66, 65, 40)) == [0]
    assert list(starts(145, 65, 40)) == [0, 40]
    assert list(starts(146, 65, 40)) == [0, 40, 80]
    assert list(windows(clip(60), 65, 40, facing)) == []


def test_windows_stand_over_the_origin_and_face_one_way_at_the_tenth_frame() -> None:
    batch = one_batch()
    assert batch.batch_shape == (2,)
    assert torch.allclose(facing(batch)[:, 9], torch.zeros(2), atol=1e-5)
    middle = batch.root.mean(1)
    assert torch.allclose(middle[:, [0, 2]], torch.zeros(2, 2), atol=1e-4)
    turned = next(windows(shift(rotate(clip(), torch.tensor(1.0)), torch.tensor([3.0, 0, -2.0])), 65, 40, facing))
    assert torch.allclose(turned.points().positions, batch.points().positions, atol=1e-4)


def test_lafans_heading_is_where_the_roots_second_axis_points() -> None:
    body = clip(5)
    angle = torch.tensor(0.7)
    rotations = body.rotations.clone()
    rotations[:, 0] = torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])  # its +Y lies along +X
    lying = replace(body, rotations=rotations)
    assert torch.allclose(heading(lying), torch.zeros(5), atol=1e-6)
    assert torch.allclose(heading(rotate(lying, angle)), angle.expand(5), atol=1e-6)


def test_ten_frames_and_the_target_are_given_and_nothing_else() -> None:
    known = known_frames(5)
    assert known_frames(5, 10).tolist() == [True] * 10 + [False] * 5 + [True] * 10
    assert known.tolist() == [True] * 10 + [False] * 5 + [True]
    hidden = blanked(one_batch()[:16], known)
    assert bool(hidden.rotations[:, 10:15].isnan().all())
    assert bool(hidden.root[:, 10:15].isnan().all())
    assert bool(hidden.rotations[:, ~torch.zeros(16, dtype=torch.bool)][:, :10].isfinite().all())


@pytest.mark.parametrize("name", [name for name in CLASSICAL if name not in ("savgol", "one-euro", "gaussian")])
def test_classical_methods_never_look_and_leave_keys_alone(name: str) -> None:
    batch, known = one_batch()[:21], known_frames(10)
    answer = CLASSICAL[name].complete(blanked(batch, known), known)
    assert bool(answer.rotations.isfinite().all())
    if name != "local-lines":
        assert torch.equal(answer.rotations[:, known], batch.rotations[:, known])


def test_hold_is_zero_velocity_and_linear_is_what_the_benchmark_interpolates() -> None:
    """Weights k / (n + 1) between frame 9 and the target, for the root; frame 9 repeated for hold."""
    batch, known = one_batch()[:16], known_frames(5)
    hold = CLASSICAL["hold"].complete(blanked(batch, known), known)
    assert torch.equal(hold.root[:, 10:15], batch.root[:, 9:10].expand(-1, 5, -1))
    linear = CLASSICAL["linear"].complete(blanked(batch, known), known)
    for k in range(1, 6):
        between = batch.root[:, 9] + (batch.root[:, 15] - batch.root[:, 9]) * k / 6
        assert torch.allclose(linear.root[:, 9 + k], between, atol=1e-6)


def test_gap_scores_by_hand() -> None:
    """The truth scores nothing; a body that stands 10 cm aside has a joint error of 100 mm and no rotation error."""
    batch = one_batch()
    joints = range(len(batch.skeleton))
    mean, std = torch.zeros(len(joints), 3), torch.full((len(joints), 3), 0.5)
    found = gap_scores(Knowing("truth", truth=batch), [batch], 15, joints, PositionStatistics(mean, std))
    for metric in ("l2q", "l2q_strict", "npss", "npss_strict", "l2p", "mpjpe_mm"):
        assert found[metric] == pytest.approx(0.0, abs=1e-4), metric
    found = gap_scores(Knowing("aside", truth=batch, by=0.1), [batch], 15, joints, PositionStatistics(mean, std))
    assert found["mpjpe_mm"] == pytest.approx(100.0, rel=1e-4)
    assert found["l2p"] == pytest.approx(0.2 * len(joints) ** 0.5, rel=1e-4)
    assert found["l2q"] == pytest.approx(0.0, abs=1e-4)


def pack(folder: Path, name: str) -> None:
    """A rotation pack of synthetic walks, two for each split, on kinema24's tree."""
    from kinema.geometry.rotations import rotmat_to_rotvec

    clips = [clip(150, seed) for seed in range(4)]
    body = clips[0].skeleton
    steps = [(rotmat_to_rotvec(one.rotations) * 32767 / np.pi).round().numpy().astype(np.int16) for one in clips]
    canon = [body.index(joint) for joint in catalog.skeleton("canon17").joints]
    np.savez(
        folder / f"{name}.npz",
        rot=np.concatenate(steps), root=np.concatenate([one.root.numpy() for one in clips]),
        start=np.arange(5) * 150, parents=np.array(body.parents), joints=np.array(body.joints),
        offsets=np.stack([one.skeleton.offsets.numpy() for one in clips]), skel=np.arange(4), fps=np.float64(30),
        label=np.zeros(4, int), labels=np.array(["walk"]), split=np.array([0, 0, 2, 2]),
        name=np.array(["01_01", "01_02", "02_01", "02_02"]), jumps=np.zeros(4, int), canon17=np.array(canon),
    )  # fmt: skip


def test_open_inbetween_on_a_small_pack(tmp_path: Path) -> None:
    pack(tmp_path, "hdm05")
    protocol = replace(OPEN_INBETWEEN, sets=("hdm05",), gaps=(5, 15))
    report = protocol.evaluate(CLASSICAL["savgol"], tmp_path)
    names = ["hdm05 gap 5", "hdm05 gap 15"]
    assert [cell_name(cell["where"]) for cell in report["cells"]] == [*names, *(f"{name} after 10" for name in names)]
    assert [cell["windows"] for cell in report["cells"]] == [6, 6, 6, 6]
    near, far, _, both = (cell["scores"] for cell in report["cells"])
    for method in ("hold", "linear"):  # which look at one frame on either side
        assert both["l2p"][method] == far["l2p"][method]
    assert both["l2p"]["squad"] != far["l2p"]["squad"]
    for metric in ("l2q", "l2p", "mpjpe_mm"):
        assert far[metric]["hold"] > near[metric]["hold"] > near[metric]["linear"] > 0
    assert near["mpjpe_mm"]["cubic"] < near["mpjpe_mm"]["linear"]
    assert set(report["columns"]) == {"hold", "linear", "cubic", "pchip", "squad", "savgol"}
    assert json.loads(json.dumps(report.to_json()))["cells"][0]["where"] == {"set": "hdm05", "gap": "5"}
    assert "savgol" in markdown(report)
    assert len(rich_tables(report, 120)) == 2
    assert report.to_json() == protocol.evaluate(CLASSICAL["savgol"], tmp_path).to_json()
    with pytest.raises(MissingDataError):
        OPEN_INBETWEEN.evaluate(CLASSICAL["hold"], tmp_path)
    with pytest.raises(UsageError, match="upsample-grid"):
        protocol.evaluate(Classical("flat", kinds=frozenset({"picture"})), tmp_path)


def test_a_model_trained_on_a_test_recording_is_called_a_leak(tmp_path: Path) -> None:
    pack(tmp_path, "hdm05")
    observed = Classical("linear", trained_on=frozenset({"hdm05/02_01"}))
    report = replace(OPEN_INBETWEEN, sets=("hdm05",), gaps=(5,)).evaluate(observed, tmp_path)
    assert report.leak.message.startswith("LEAK")


def test_upsample_grid_on_a_small_pack(tmp_path: Path) -> None:
    pack(tmp_path, "hdm05")
    protocol = UpsampleGrid(sets=("hdm05",), rates=(8,))
    report = protocol.evaluate(CLASSICAL["squad"], tmp_path)
    assert len(report["cells"]) == 3 * 2
    cells = {cell_name(cell["where"]): cell["scores"] for cell in report["cells"]}
    clean, noisy = cells["positions clean rate 8"], cells["positions detector rate 8"]
    assert clean["keys"]["linear"] == pytest.approx(0, abs=1e-3)
    assert clean["missing"]["cubic"] < clean["missing"]["linear"] < clean["missing"]["hold"]
    assert noisy["keys"]["linear"] > 20
    assert noisy["missing"]["linear"] > clean["missing"]["linear"]
    picture = cells["picture clean rate 8"]
    assert picture["pck_0.1"]["cubic"] > 0.95
    assert "pck_0.05" not in clean
    again = protocol.evaluate(CLASSICAL["squad"], tmp_path)
    assert report.to_json() == again.to_json()


def test_noise_is_what_it_says_and_the_same_for_everybody() -> None:
    batch = next(windows_of(clip(194)))
    body = catalog.skeleton("canon17")
    places = torch.zeros(200, 97, 17, 3)
    points = Points(body, places, 30)
    observed, told = noisy_points(points, 3)
    assert torch.equal(observed.positions, noisy_points(points, 3)[0].positions)
    assert not torch.equal(observed.positions, noisy_points(points, 4)[0].positions)
    wrist, root = body.index("l_wrist"), 0
    spread = observed.positions.abs().flatten(0, 1).median(0).values.mean(-1)
    assert spread[wrist] > 1.5 * spread[root]
    assert 0.008 < float(spread[root]) < 0.016  # the median of a normal law is 0.67 deviations; misses add little
    errors = observed.positions.norm(dim=-1)
    assert float(told[errors > 0.2].mean()) < float(told[errors < 0.02].mean()) - 0.2
    motion, confidence = noisy_motion(batch, 0)
    product = motion.rotations @ motion.rotations.transpose(-1, -2)
    assert torch.allclose(product, torch.eye(3).expand_as(product), atol=1e-5)
    assert confidence.shape == batch.rotations.shape[:3]


def test_the_picture_has_y_down_and_looks_at_the_root() -> None:
    batch = next(windows_of(clip(194)))
    points = batch.points()
    flat = project(points, 0).positions
    root, head = flat[:, :, 0], flat[:, :, batch.skeleton.index("head")]
    assert torch.allclose(root.mean(1), torch.full((2, 2), 500.0), atol=60)
    assert bool((head[..., 1] < root[..., 1]).all())
    height = float((flat[..., 1].amax(-1) - flat[..., 1].amin(-1)).mean())
    assert 300 < height < 550  # 1.7 m at 4 m with a focal length of 1,000 pixels
    moved = replace(points, positions=points.positions + torch.tensor([5.0, 1, -3]))
    assert torch.allclose(project(moved, 0).positions, flat, atol=0.05)


def test_a_question_shows_only_keys_and_trusts_only_keys(tmp_path: Path) -> None:
    asked: list[tuple[Points, torch.Tensor, torch.Tensor]] = []

    @dataclass(frozen=True)
    class Spy(Classical):
        def complete(self, clip, known, confidence=None):  # type: ignore[no-untyped-def]
            asked.append((clip, known, confidence))
            return CLASSICAL["linear"].complete(clip, known)

    pack(tmp_path, "hdm05")
    UpsampleGrid(sets=("hdm05",), rates=(8,)).evaluate(Spy("spy", kinds=frozenset({"positions"})), tmp_path)
    assert [confidence is None for _, _, confidence in asked] == [True, True, False, False]
    observed, known, confidence = asked[-1]
    assert known.nonzero()[:, 0].tolist() == list(range(0, 97, 8))
    assert bool(observed.positions[:, ~known].isnan().all())
    assert not confidence[:, ~known].any()
    assert bool((confidence[:, known] > 0).all())


def stored(gaps: dict[str, tuple[float, float]]) -> dict[str, object]:
    """A report: gap -> best curve's L2P, the model's."""
    return {
        "model": "ours", "classical": ["linear", "cubic"], "deciding": ["l2p"],
        "cells": [{"where": {"set": name, "gap": gap}, "windows": 3,
                   "scores": {"l2p": {"linear": a + 1, "cubic": a, "ours": b}}}
                  for gap, (a, b) in gaps.items() for name in ("x", "y")],
    }  # fmt: skip


def test_a_model_is_offered_where_it_beats_every_curve_and_nowhere_else() -> None:
    report = stored({"5": (1.0, 1.1), "15": (2.0, 1.5), "30": (3.0, 3.0), "45": (4.0, 2.0)})
    offers = offered(report)
    assert [(round(o.over * 30), round(o.to * 30), round(o.gain, 2)) for o in offers] == [(6, 16, 0.25), (31, 46, 0.5)]
    assert {(o.space, o.sides, o.noisy) for o in offers} == {("positions", 1, False)}
    # Both sets must be won, and every metric that decides.
    lost = stored({"15": (2.0, 1.5)})
    lost["cells"][1]["scores"]["l2p"]["ours"] = 2.1  # type: ignore[index]
    assert offered(lost) == ()
    lost = stored({"15": (2.0, 1.5)}) | {"deciding": ["l2p", "l2q"]}
    assert offered(lost) == ()
    broken = stored({"15": (2.0, float("nan"))})
    assert offered(broken) == ()
    assert offered(stored({"15": (2.0, 1.5)}) | {"model": "cubic"}) == ()


def test_the_release_table_is_what_auto_reads(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    table = release_table([stored({"5": (1.0, 1.1), "15": (2.0, 1.5)})])
    (tmp_path / "ours" / "release.json").write_text(json.dumps(table))
    (cell,) = released(tmp_path)
    assert cell.model == "ours"
    assert cell.holds(Gap(0.5, 1, False, "positions"))
    assert not cell.holds(Gap(0.1, 1, False, "positions"))
    assert not cell.holds(Gap(0.5, 1, True, "positions"))


def test_a_release_is_written_from_the_commands_json(tmp_path: Path) -> None:
    report = stored({"5": (1.0, 1.1), "15": (2.0, 1.5)}) | {"protocol": "open-inbetween", "columns": ["linear", "ours"]}
    (tmp_path / "oi.json").write_text(json.dumps(report))
    folder = tmp_path / "weights" / "shipped-name"
    folder.mkdir(parents=True)
    table = write_release(folder, [tmp_path / "oi.json"])
    assert json.loads((folder / "release.json").read_text()) == table
    kept = json.loads((folder / "report-open-inbetween.json").read_text())
    assert kept["model"] == "shipped-name"
    assert kept["columns"] == ["linear", "shipped-name"]
    assert offered(kept) == offered(report)
    (cell,) = released(tmp_path / "weights")
    assert cell.model == "shipped-name"
    (tmp_path / "oi.json").write_text('{"protocol": "cmu-legacy"}')
    with pytest.raises(FormatError, match="upsample-grid"):
        write_release(folder, [tmp_path / "oi.json"])


def test_sides_mean_to_auto_what_they_mean_to_the_table() -> None:
    """The very questions of the protocols, as the plan of the verbs sees them."""
    from kinema.pipeline.completion.gap_plan import plan_gaps

    def gaps_of(known: torch.Tensor) -> set[tuple[int, float]]:
        found: list[Gap] = []

        def pick(gap: Gap) -> tuple[str, str]:
            found.append(gap)
            return "linear", ""

        clock = torch.arange(len(known)).double() / 30
        plan_gaps(known[:, None].expand(-1, 3), clock, clock, pick, noisy=False, space="rotations")
        return {(gap.sides, gap.seconds) for gap in found}

    for rate in (2, 4, 8, 16):
        ((sides, seconds),) = gaps_of(torch.arange(97) % rate == 0)
        where = {"kind": "rotations", "noise": "clean", "rate": str(rate)}
        report = {"model": "m", "classical": ["c"], "deciding": ["e"],
                  "cells": [{"where": where, "scores": {"e": {"m": 1.0, "c": 2.0}}}]}  # fmt: skip
        (row,) = release_table([report])["cells"]
        assert GapRange("m", **row).holds(Gap(seconds, sides, False, "rotations"))
    for gap in (5, 15, 30, 45):
        for after in (1, 10):
            ((sides, seconds),) = gaps_of(known_frames(gap, after))
            report = stored({str(gap): (2.0, 1.0)})
            for cell in report["cells"] if after > 1 else ():
                cell["where"]["after"] = str(after)
            (row,) = release_table([report])["cells"]
            assert row["sides"] == sides == (1 if after == 1 else 2)
            assert GapRange("m", **row).holds(Gap(seconds, sides, False, "positions"))


def test_protocols_are_asked_by_the_names_of_methods(tmp_path: Path) -> None:
    from kinema.pipeline.evaluate import evaluate

    lafan_folder(tmp_path)
    assert evaluate("squad", "lafan1", tmp_path).model == "squad"
    with pytest.raises(UsageError, match="answers inbetween"):
        evaluate("zero-velocity", "lafan1", tmp_path)
    with pytest.raises(UsageError, match="model"):
        evaluate("squat", "lafan1", tmp_path)


def test_every_stored_report_of_a_shipped_model_offers_only_what_it_won() -> None:
    """Said again in another way than `offered` says it, and compared with the table that `auto` reads."""
    import kinema

    weights = Path(kinema.__file__).parent / "weights"
    tables = sorted(weights.glob("*/release.json"))
    if not tables:
        pytest.skip("no model that completes is shipped")
    for table in tables:
        reports = [json.loads(path.read_text()) for path in table.parent.glob("report-*.json")]
        allowed: list[tuple[str, int, bool, float]] = []
        for report in reports:
            for cell in report["cells"]:
                won = all(
                    cell["scores"][metric][report["model"]]
                    < min(v for k, v in cell["scores"][metric].items() if k in report["classical"])
                    for metric in report["deciding"]
                    if report["model"] in cell["scores"][metric]
                )
                if won:
                    where = cell["where"]
                    grid = "rate" in where
                    seconds = (int(where["rate"]) if grid else int(where["gap"]) + 1) / 30
                    noisy = grid and where["noise"] != "clean"
                    sides = 0 if grid else 2 if "after" in where else 1
                    allowed.append((where.get("kind", ""), sides, noisy, round(seconds, 6)))
        for cell in json.loads(table.read_text())["cells"]:
            key = (cell["sides"], cell["noisy"], round(cell["to"], 6))
            assert key in {entry[1:] for entry in allowed}, f"{table.parent.name}: {cell} was not won"


def lafan_folder(folder: Path, write: bool = True) -> Path:
    """Walks on LaFAN1's skeleton as BVH files of subjects 1 and 5."""
    from kinema.motion.retargeting import retarget

    body = catalog.skeleton("lafan22")
    for number, seconds in ((1, 5), (5, 5)):
        walk = retarget(clip(30 * seconds, number), body, by="directions")
        save(walk, folder / f"walk1_subject{number}.bvh")
    return folder


def test_lafan1_on_synthetic_files_of_its_skeleton(tmp_path: Path) -> None:
    report = replace(LAFAN1, gaps=(5, 30)).evaluate(CLASSICAL["linear"], lafan_folder(tmp_path))
    assert [cell["windows"] for cell in report["cells"]] == [3, 3]
    scores = report["cells"][0]["scores"]
    assert 0 < scores["l2q"]["linear"] < scores["l2q"]["hold"]
    assert 0 < scores["l2p"]["linear"] < scores["l2p"]["hold"]
    assert scores["l2q_strict"]["linear"] == pytest.approx(scores["l2q"]["linear"], rel=0.05)
    assert any("interpolation" in row[0] for table in report.tables() for row in table.sections[1])
    (tmp_path / "walk1_subject5.bvh").unlink()
    with pytest.raises(MissingDataError, match="subject 5"):
        LAFAN1.evaluate(CLASSICAL["linear"], tmp_path)


def test_lafan1_refuses_another_body(tmp_path: Path, write_bvh: Callable[..., Path]) -> None:
    write_bvh(5, name="walk1_subject1.bvh")
    write_bvh(5, name="walk1_subject5.bvh")
    with pytest.raises(FormatError, match="22 joints"):
        LAFAN1.evaluate(CLASSICAL["linear"], tmp_path)


def test_lafan1_golden_baselines() -> None:
    """The published baselines, to their last printed digit or one per cent, on the real files."""
    folder = os.environ.get("KINEMA_LAFAN1")
    if not folder:
        pytest.skip("LaFAN1 is not here (set KINEMA_LAFAN1 to its folder of 77 BVH files)")
    report = LAFAN1.evaluate(CLASSICAL["linear"], folder)
    assert {cell["windows"] for cell in report["cells"]} == {2232}
    for method, metrics in GOLDEN.items():
        for metric, row in metrics.items():
            for cell, golden in zip(report["cells"], row, strict=True):
                found = cell["scores"][metric][method]
                assert found == pytest.approx(golden, rel=0.01, abs=0.005 if metric == "l2q_strict" else 5e-5)


@pytest.mark.parametrize(
    ("pack_name", "gap", "slerp", "hold"),
    [("cmu_bvh", 15, 50.5, 160.5), ("cmu_bvh", 30, 93.9, 294.9), ("hdm05", 5, 15.2, 74.8), ("hdm05", 15, 63.9, 180.3)],
)
def test_reference_floors_of_the_packs(shared_data: Path, pack_name: str, gap: int, slerp: float, hold: float) -> None:
    """Millimetres that were measured on the packs by other code: gap after gap, one key on each side."""
    found: dict[str, list[torch.Tensor]] = {"linear": [], "hold": []}
    known = torch.zeros(gap + 2, dtype=torch.bool)
    known[[0, -1]] = True
    for one in recordings(pack_name, shared_data, "test"):
        if one.frames < gap + 2:
            continue
        index = torch.arange(0, one.frames - gap - 1, gap + 1)[:, None] + torch.arange(gap + 2)
        batch = replace(one, rotations=one.rotations[index], root=one.root[index])
        for method, errors in found.items():
            answer = CLASSICAL[method].complete(blanked(batch, known), known)
            error = (answer.points().positions - batch.points().positions)[:, 1:-1].norm(dim=-1)
            errors.append(1000 * error.mean((1, 2)))
    assert float(torch.cat(found["linear"]).mean()) == pytest.approx(slerp, rel=0.06)
    assert float(torch.cat(found["hold"]).mean()) == pytest.approx(hold, rel=0.06)
