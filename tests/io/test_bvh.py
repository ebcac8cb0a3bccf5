"""BVH in and out: what real exporters write, what must come back the same, and what must be refused."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from kinema.core.errors import FormatError, KinemaWarning, UsageError
from kinema.geometry.rotations import EULER_ORDERS, euler_to_rotmat, rotmat_to_euler
from kinema.io import formats as files
from kinema.io.bvh import load as bvh
from kinema.io.bvh import save as decimals
from kinema.io.bvh.save import UnwrappedEuler
from kinema.io.conventions import frame_rate
from kinema.motion.motion import Motion, stack
from kinema.motion.skeletons import skeleton

Writer = Callable[..., Path]

ODD_BVH = (
    "hierarchy\r\nRoot Hips {\r\n\tOffset 1 2 3\n\tCHANNELS 5 Yrotation  XPOSITION zrotation Zposition Xrotation\n\n"
    "  joint Left Arm\n  {\n    OFFSET\t30 0 0\n"
    "    CHANNELS 6 Xrotation Yrotation Zrotation Zposition Yposition Xposition\n"
    "    End Site\n    {\n      OFFSET 25 0 0\n    }\n    end site # thumb\n    {\n      OFFSET 5 0 5\n    }\n  }\n"
    "\tJOINT Stiff\r\n\t{\r\n\tOFFSET 0 60 0\n\tCHANNELS 1 Zrotation\n"
    "\tJOINT Still\n\t{\n\tOFFSET 0 60 0\n\tCHANNELS 0\n\t}}\n}\n"
)


def independent_positions(path: Path) -> tuple[list[str], np.ndarray]:
    """Joint positions in file units by a reader of few words that shares nothing with kinema's."""
    header, motion = re.split(r"MOTION\s", path.read_text(), maxsplit=1)
    words = header.replace("{", " { ").replace("}", " } ").split()
    nodes: list[dict] = []
    open_nodes: list[int] = []
    i = 0
    while i < len(words):
        word = words[i]
        if word in ("ROOT", "JOINT", "End"):
            parent = open_nodes[-1] if open_nodes else -1
            name = words[i + 1] if word != "End" else f"{nodes[parent]['name']}_end"
            nodes.append({"name": name, "parent": parent, "channels": []})
            open_nodes.append(len(nodes) - 1)
        elif word == "}":
            open_nodes.pop()
        elif word == "OFFSET":
            nodes[open_nodes[-1]]["offset"] = np.array([float(x) for x in words[i + 1 : i + 4]])
        elif word == "CHANNELS":
            nodes[open_nodes[-1]]["channels"] = words[i + 2 : i + 2 + int(words[i + 1])]
        i += 1
    rows = np.array([line.split() for line in motion.splitlines()[2:] if line.strip()], dtype=float)
    places, turns, column = [], [], 0
    for node in nodes:
        place = np.tile(node["offset"], (len(rows), 1))
        turn = Rotation.identity(len(rows))
        for channel in node["channels"]:
            if channel.endswith("position"):
                place[:, "XYZ".index(channel[0])] = rows[:, column]
            else:
                turn = turn * Rotation.from_euler(channel[0].lower(), rows[:, [column]], degrees=True)
            column += 1
        if node["parent"] >= 0:
            place = places[node["parent"]] + turns[node["parent"]].apply(place)
            turn = turns[node["parent"]] * turn
        places.append(place)
        turns.append(turn)
    return [node["name"] for node in nodes], np.stack(places, 1)


def hierarchy_facts(path: Path) -> list[list[str]]:
    """Every line of the header as words, numbers in a plain form, without indentation."""
    header = re.split(r"MOTION\s", path.read_text(), maxsplit=1)[0]
    return [
        [f"{float(word):.5f}" if re.fullmatch(r"-?[\d.]+(e-?\d+)?", word) else word for word in line.split()]
        for line in header.splitlines()
        if line.strip()
    ]


def test_positions_are_those_of_an_independent_reader(write_bvh: Writer) -> None:
    path = write_bvh(12)
    motion = bvh.load(path)
    names, expected = independent_positions(path)
    assert list(motion.skeleton.joints) == names
    assert motion.layout is not None
    assert motion.layout.unit == 0.01
    np.testing.assert_allclose(motion.points().positions, expected * 0.01, atol=2e-6)


def test_what_the_file_says_is_kept(write_bvh: Writer) -> None:
    motion = bvh.load(write_bvh(7, name="cmu_02_01.bvh", frame_time=".0083333"))
    assert (motion.fps, motion.frames, motion.identity) == (120.0, 7, "cmu/02_01")
    assert motion.layout is not None
    assert motion.layout.frame_time == ".0083333"
    assert motion.layout.channels[1] == ("Yrotation", "Zrotation", "Xrotation")
    assert motion.layout.channels[3] == ()
    assert motion.skeleton.joints[3] == "Head_end"
    assert motion.offsets is None
    assert bvh.load(write_bvh(name="dance.bvh")).identity == "file/dance"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (".0083333", 120), ("0.00833333", 120), ("0.0333333", 30), ("0.033", 30), ("0.0417083", 1 / 0.0417083),
        ("0.04", 25), ("0.0166667", 60), ("8.3333e-3", 120), ("0.033366", 1 / 0.033366), ("0.027027", 37), ("0.5", 2),
        ("0.03", 1 / 0.03), ("2", 0.5),
    ],
)  # fmt: skip
def test_a_rounded_frame_time_gives_the_rate_behind_it(text: str, rate: float) -> None:
    assert frame_rate(text) == pytest.approx(rate, abs=1e-12)


def test_odd_but_legal_files(tmp_path: Path) -> None:
    path = tmp_path / "odd.bvh"
    rows = "10\t5 20  -7 30 \t 1 2 3 31 1 2  45\r\n-10 6 21 -8 31 4 5 6 33 2 3 50\n\n"
    path.write_bytes(b"\xef\xbb\xbf" + (ODD_BVH + "Motion\nFRAMES:  2\r\nframe time:\t0.04\n" + rows).encode())
    motion = bvh.load(path, unit=0.01)
    assert motion.skeleton.joints == ("Hips", "Left Arm", "Left Arm_end", "Left Arm_end2", "Stiff", "Still")
    assert motion.skeleton.parents == (-1, 0, 1, 1, 0, 4)
    assert motion.fps == 25
    # Two position channels and one OFFSET number; position channels replace, whatever their order.
    np.testing.assert_allclose(motion.root[0], [0.05, 0.02, -0.07], atol=1e-7)
    assert motion.offsets is not None
    np.testing.assert_allclose(motion.offsets[0, 1], [0.02, 0.01, 0.31], atol=1e-7)
    turn = Rotation.from_euler("YZX", [10, 20, 30], degrees=True).as_matrix()
    np.testing.assert_allclose(motion.rotations[0, 0], turn, atol=1e-6)
    np.testing.assert_allclose(
        motion.rotations[1, 4], Rotation.from_euler("Z", 50, degrees=True).as_matrix(), atol=1e-6
    )
    out = tmp_path / "again.bvh"
    bvh.save(motion, out)
    again = bvh.load(out, unit=0.01)
    assert again.layout == motion.layout
    torch.testing.assert_close(again.points().positions, motion.points().positions, atol=1e-6, rtol=0)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends(write_bvh: Writer, end: str) -> None:
    path = write_bvh(4)
    expected = bvh.load(path)
    path.write_bytes(path.read_text().replace("\n", end).encode())
    torch.testing.assert_close(bvh.load(path).rotations, expected.rotations, atol=0, rtol=0)


def test_a_frame_may_be_broken_over_lines(write_bvh: Writer) -> None:
    path = write_bvh(4)
    expected = bvh.load(path)
    head, rows = path.read_text().split("Frame Time: 0.0333333\n")
    wrapped = "\n".join(" ".join(row.split()[:9]) + "\n" + " ".join(row.split()[9:]) for row in rows.splitlines())
    path.write_text(head + "Frame Time: 0.0333333\n" + wrapped)
    torch.testing.assert_close(bvh.load(path).rotations, expected.rotations, atol=0, rtol=0)


@pytest.mark.parametrize("count", [0, 3, 9])
def test_a_wrong_frame_count_is_reported_and_survived(write_bvh: Writer, count: int) -> None:
    with pytest.warns(KinemaWarning, match=f"says {count} but 5 are there"):
        motion = bvh.load(write_bvh(5, count=count))
    assert motion.frames == 5


def test_joints_of_one_name_are_told_apart(write_bvh: Writer) -> None:
    path = write_bvh(3)
    path.write_text(path.read_text().replace("LeftFoot", "Head"))
    with pytest.warns(KinemaWarning, match="a second joint is called 'Head'"):
        motion = bvh.load(path)
    assert {"Head", "Head2", "Head_end", "Head2_end"} <= set(motion.skeleton.joints)


@pytest.mark.parametrize(("unit", "name"), [(1.0, "m"), (0.001, "mm"), (0.0254, "inch"), (0.0254 / 0.45, "ASF unit")])
def test_the_unit_follows_from_the_size_of_the_body(write_bvh: Writer, unit: float, name: str) -> None:
    path = write_bvh(5)
    scale = 0.01 / unit
    # The same body in another unit: offsets and the three position channels scaled.
    text = re.sub(
        r"OFFSET (\S+) (\S+) (\S+)",
        lambda found: "OFFSET " + " ".join(f"{float(x) * scale:.9f}" for x in found.groups()),
        path.read_text(),
    )
    head, rows = text.split("Frame Time: 0.0333333\n")
    rows = "\n".join(
        " ".join([*(f"{float(x) * scale:.9f}" for x in row.split()[:3]), *row.split()[3:]]) for row in rows.splitlines()
    )
    expected = bvh.load(path)
    path.write_text(head + "Frame Time: 0.0333333\n" + rows + "\n")
    with pytest.warns(KinemaWarning, match=f"taken to be the {name}"):
        motion = bvh.load(path)
    assert motion.layout is not None
    assert motion.layout.unit == pytest.approx(unit)
    torch.testing.assert_close(motion.points().positions, expected.points().positions, atol=1e-5, rtol=0)
    assert bvh.load(path, unit=0.5).layout.unit == 0.5  # type: ignore[union-attr]


def test_a_giant_is_reported(write_bvh: Writer) -> None:
    path = write_bvh(3)
    path.write_text(path.read_text().replace("OFFSET 0.0 -80.0 0.0", "OFFSET 0.0 -380.0 0.0"))
    with pytest.warns(KinemaWarning, match="no usual unit"):
        assert bvh.load(path).layout.unit == 0.01  # type: ignore[union-attr]


BAD_FILES = {
    "cut in the hierarchy": (lambda text: text[:300], r"line \d+: .*cut short"),
    "cut in a row": (lambda text: text[: text.rindex(" ") - 1], r"line 42, frame 4: expected 18 .*got 1\d.*cut short"),
    "cut before the rows": (lambda text: text[: text.index("Frame Time")], "Frame Time"),
    "no motion": (lambda text: text[: text.index("MOTION")], "MOTION after the hierarchy"),
    "NaN": (lambda text: text.replace("-20.0000", "nan", 1), r"line 38, frame 0: expected finite numbers; got 'nan'"),
    "infinity": (lambda text: text.replace("-17.0000", "-inf", 1), r"frame \d+: expected finite numbers; got '-inf'"),
    "a word": (lambda text: text.replace("-20.0000", "0,5", 1), r"line 38, frame 0: .*'0,5'"),
    "zero frames": (lambda text: text[: text.index("Frames")] + "Frames: 0\nFrame Time: 0.03\n", "zero frames"),
    "frame time 0": (lambda text: text.replace("0.0333333", "0"), r"line 37: expected a positive frame time.*'0'"),
    "frame time below 0": (lambda text: text.replace("0.0333333", "-0.1"), "positive frame time"),
    "a channel nobody knows": (lambda text: text.replace("Yrotation Zrot", "Wrotation Zrot"), r"line 9: .*Wrotation"),
    "a channel twice": (lambda text: text.replace("Xposition Yposition", "Xposition Xposition"), "each channel once"),
    "too few channel names": (lambda text: text.replace("CHANNELS 3 Yrot", "CHANNELS 4 Yrot"), "'JOINT'"),
    "a cycle": (lambda text: text.replace("JOINT LeftFoot", "JOINT LeftUpLeg"), r"line \d+: .*cycle: 'LeftUpLeg'"),
    "braces that never close": (lambda text: text.replace("}\nMOTION", "MOTION"), r"closing brace for 'Hips'"),
    "a brace missing": (lambda text: text.replace("{\n\t\tOFFSET 0.0 50", "\n\t\tOFFSET 0.0 50"), "opening brace"),
    "two roots": (lambda text: text.replace("MOTION", "ROOT Again\n{\n}\nMOTION"), "one ROOT; got a second one"),
    "a broken offset": (lambda text: text.replace("0.0 50.0 0.0", "0.0 abc 0.0"), r"line 8: .*three finite.*'abc'"),
    "garbage": (lambda text: "\x00\x01\x02\x7f" * 90, "HIERARCHY; got binary data"),
    "empty": (lambda text: "", "an empty file"),
    "another format": (lambda text: "x,y,z\n1,2,3\n", "HIERARCHY; got 'x,y,z'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_end_in_one_clear_line(write_bvh: Writer, name: str) -> None:
    spoil, message = BAD_FILES[name]
    path = write_bvh(5)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(FormatError, match=message) as error:
        bvh.load(path)
    assert str(error.value).startswith("walk.bvh")
    assert "\n" not in str(error.value)
    assert error.value.cure


def test_a_number_missing_in_a_late_frame_is_found(write_bvh: Writer) -> None:
    rows = ["1 " * 18] * 5000
    rows[4711] = "1 " * 17
    rows[4712] = "1 " * 19  # the total is right: only a look at each row finds it
    with pytest.raises(FormatError, match=r"line 4749, frame 4711: expected 18 numbers; got 17"):
        bvh.load(write_bvh(rows=rows))


def test_round_trip_with_the_layout(write_bvh: Writer, tmp_path: Path) -> None:
    path, out = write_bvh(40, frame_time=".0083333"), tmp_path / "out.bvh"
    motion = bvh.load(path)
    bvh.save(motion, out)
    assert hierarchy_facts(out) == hierarchy_facts(path)
    assert "Frame Time: .0083333\n" in out.read_text()
    again = bvh.load(out)
    assert again.layout == motion.layout
    torch.testing.assert_close(again.points().positions, motion.points().positions, atol=1e-6, rtol=0)


def test_a_changed_rate_is_written(write_bvh: Writer, tmp_path: Path) -> None:
    motion = replace(bvh.load(write_bvh(4)), fps=25.0)
    bvh.save(motion, tmp_path / "out.bvh")
    assert bvh.load(tmp_path / "out.bvh").fps == 25.0


def test_channels_are_added_where_the_layout_cannot_say_the_motion(write_bvh: Writer, tmp_path: Path) -> None:
    header = (
        write_bvh(2)
        .read_text()
        .split("MOTION")[0]
        .replace("CHANNELS 3 Yrotation Zrotation Xrotation", "CHANNELS 1 Zrotation")
    )
    motion = bvh.load(write_bvh(rows=["1 " * 16, "2 " * 16], header=header))
    turned = motion.rotations.clone()
    turned[:, 1] = euler_to_rotmat(torch.tensor([0.3, -0.4, 0.9]), "XYZ")
    offsets = motion.skeleton.offsets.expand(2, -1, -1).clone()
    offsets[1, 4] += torch.tensor([0.0, 0.2, 0.0])
    edited = replace(motion, rotations=turned, offsets=offsets)
    bvh.save(edited, tmp_path / "out.bvh")
    again = bvh.load(tmp_path / "out.bvh", unit=0.01)
    torch.testing.assert_close(again.points().positions, edited.points().positions, atol=1e-6, rtol=0)


def moving(name: str, frames: int = 30, seed: int = 0) -> Motion:
    body = skeleton(name)
    random = torch.Generator().manual_seed(seed)
    angles = (torch.randn(frames, len(body), 3, generator=random, dtype=torch.float64) * 0.4).cumsum(0)
    root = torch.randn(frames, 3, generator=random).cumsum(0) * 0.05
    return Motion(body, euler_to_rotmat(angles, "XYZ").float(), root, 50.0)


@pytest.mark.parametrize("name", ["smpl24", "cmu38", "kinema24"])
def test_round_trip_without_a_layout(name: str, tmp_path: Path) -> None:
    motion = moving(name)
    bvh.save(motion, tmp_path / "out.bvh")
    again = bvh.load(tmp_path / "out.bvh", unit=0.01)
    assert again.fps == 50
    assert again.layout is not None
    assert again.layout.channels[0] == ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")
    place = {
        joint: again.skeleton.joints.index(joint) for joint in motion.skeleton.joints if joint in again.skeleton.joints
    }
    assert len(place) >= len(motion.skeleton) - 7  # an end point is called after its parent in a BVH
    ours = [motion.skeleton.joints.index(joint) for joint in place]
    got = again.points().positions[:, list(place.values())]
    torch.testing.assert_close(got, motion.points().positions[:, ours], atol=2e-6, rtol=0)
    leaves = [joint for joint in range(len(again.skeleton)) if not again.skeleton.children[joint]]
    assert all(again.layout.channels[joint] == () for joint in leaves)


def test_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one at a time"):
        bvh.save(stack([moving("smpl24"), moving("smpl24")]), tmp_path / "out.bvh")
    assert not list(tmp_path.iterdir())


@settings(max_examples=60)
@given(order=st.sampled_from(EULER_ORDERS), seed=st.integers(0, 10_000))
def test_unwrapped_angles_are_the_same_rotations_without_jumps(order: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    axis = random.normal(size=3)
    spin = np.linspace(0, 3 * 2 * np.pi, 200)[:, None] * axis / np.linalg.norm(axis)
    rotations = (Rotation.from_rotvec(spin) * Rotation.random(rng=seed)).as_matrix()
    angles = UnwrappedEuler(order).after(rotations[:, None])[:, 0]
    np.testing.assert_allclose(euler_to_rotmat(torch.from_numpy(angles), order), rotations, atol=1e-6)
    assert np.abs(np.diff(angles, axis=0)).max() < np.pi + 1e-6


def one_by_one(rotations: np.ndarray, order: str) -> np.ndarray:
    """What `UnwrappedEuler` says of one joint, said frame by frame."""
    angles = rotmat_to_euler(torch.from_numpy(rotations), order).numpy()
    middle = np.pi - angles[:, 1] if len(set(order)) == 3 else -angles[:, 1]
    other = np.stack((angles[:, 0] + np.pi, middle, angles[:, 2] + np.pi), -1)
    smooth, turn, jumped = angles.copy(), 2 * np.pi, False
    for frame in range(1, len(angles)):
        before = smooth[frame - 1]
        first, second = (each + turn * np.round((before - each) / turn) for each in (angles[frame], other[frame]))
        jumped = jumped or np.abs(first - before).max() > np.pi / 2
        nearer = np.abs(second - before).sum() < np.abs(first - before).sum()
        smooth[frame] = second if jumped and nearer else first
    return smooth


@settings(max_examples=30)
@given(order=st.sampled_from(EULER_ORDERS), seed=st.integers(0, 10_000), cuts=st.sets(st.integers(1, 59), max_size=4))
def test_angles_of_many_joints_unwrapped_piece_by_piece_are_those_of_each(
    order: str, seed: int, cuts: set[int]
) -> None:
    random = np.random.default_rng(seed)
    walk = 0.4 * random.normal(size=(60, 5, 3)).cumsum(0)
    rotations = Rotation.from_rotvec(walk.reshape(-1, 3)).as_matrix().reshape(60, 5, 3, 3)
    unwrapped, edges = UnwrappedEuler(order), [0, *sorted(cuts), 60]
    angles = np.concatenate([unwrapped.after(rotations[start:stop]) for start, stop in itertools.pairwise(edges)])
    for joint in range(5):
        # Whole turns are added in another order: 1e-15 each.
        np.testing.assert_allclose(angles[:, joint], one_by_one(rotations[:, joint], order), atol=1e-9)


@given(arrays(np.float64, (3, 4), elements=st.floats(allow_nan=True, allow_infinity=True) | st.floats(-2000, 2000)))
def test_numbers_are_written_as_six_decimals_are(rows: np.ndarray) -> None:
    expected = "".join(" ".join(f"{x:.6f}" for x in row) + "\n" for row in (np.round(rows, 6) + 0.0).tolist())
    assert decimals.decimal_lines(rows).decode() == expected


@given(st.floats(-1e9, 1e9), st.integers(-3, 3), st.sampled_from([1.0, 999.999999, 999.9999995, 1000.0, 1e6, 0.5e-6]))
def test_numbers_near_a_carry_are_rounded_to_even_millionths(value: float, sign: int, edge: float) -> None:
    for number in (value, sign * edge, np.nextafter(sign * edge, 0.0), -0.0):
        assert decimals.decimal_lines(np.array([[number]])).decode() == f"{np.round(number, 6) + 0.0:.6f}\n"


def test_a_repeated_axis_keeps_both_its_angles(write_bvh: Callable[..., Path], tmp_path: Path) -> None:
    motion = bvh.load(write_bvh(frames=12))
    assert motion.layout is not None
    twice = tuple(
        tuple(name.replace("Yrotation", "Zrotation") if names[-3:-1] == ("Zrotation", "Xrotation") else name
              for name in names) for names in motion.layout.channels
    )  # fmt: skip
    assert twice != motion.layout.channels
    bvh.save(replace(motion, layout=replace(motion.layout, channels=twice)), tmp_path / "twice.bvh")
    again = bvh.load(tmp_path / "twice.bvh", unit=motion.layout.unit)
    # Six decimals of a degree are 2e-8 radians, and float32 has 6e-8.
    torch.testing.assert_close(again.rotations, motion.rotations, atol=1e-6, rtol=0)


def test_a_spin_is_one_straight_line(tmp_path: Path) -> None:
    body = skeleton("smpl24")
    rotations = torch.eye(3).expand(100, len(body), 3, 3).clone()
    rotations[:, 0] = euler_to_rotmat(torch.stack([torch.linspace(0, 20, 100)] + [torch.zeros(100)] * 2, -1), "YXZ")
    bvh.save(Motion(body, rotations, torch.zeros(100, 3), 30.0), tmp_path / "spin.bvh")
    rows = np.array(
        [row.split() for row in (tmp_path / "spin.bvh").read_text().split("Frame Time")[1].splitlines()[1:]]
    )
    steps = np.diff(rows.astype(float)[:, :6], axis=0)
    assert np.abs(steps).max() < 181
    turned = np.ptp(rows.astype(float)[:, 3:6], axis=0).max()
    assert turned == pytest.approx(np.rad2deg(20), abs=181)
    assert turned > 720


@pytest.mark.shared
def test_every_shared_file_goes_in_and_out(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "bvh").glob("*.bvh"))
    assert len(paths) >= 9
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            motion = bvh.load(path)
        height = 1.7
        _, expected = independent_positions(path)
        assert motion.layout is not None
        assert motion.layout.unit == 0.01
        np.testing.assert_allclose(motion.points().positions, expected * 0.01, atol=1e-5 * height)
        out = tmp_path / path.name
        bvh.save(motion, out)
        assert hierarchy_facts(out) == hierarchy_facts(path), path.name
        again = bvh.load(out)
        assert again.layout == motion.layout
        assert again.identity == motion.identity
        np.testing.assert_allclose(again.points().positions, expected * 0.01, atol=1e-5 * height)


@pytest.mark.shared
def test_the_shared_files_are_what_they_are(shared_data: Path) -> None:
    walk = files.load(shared_data / "bvh" / "cmu_02_01.bvh")
    assert (walk.frames, walk.fps, walk.identity, len(walk.skeleton)) == (344, 120.0, "cmu/02_01", 57)
    assert walk.offsets is None
    run = files.load(shared_data / "bvh" / "bandai_dataset-2_run_active_003.bvh")
    assert (run.frames, run.fps, len(run.skeleton)) == (75, 30.0, 27)
    assert run.offsets is not None  # the hips are carried by position channels


def test_a_root_left_far_behind_is_no_part_of_the_body(tmp_path: Path) -> None:
    """A body that stands still 4.8 m from the joint that carries it is as tall as it is."""
    lines = [
        "HIERARCHY", "ROOT carrier", "{", "OFFSET 0 0 0", "CHANNELS 3 Xposition Yposition Zposition",
        "JOINT hips", "{", "OFFSET 0 90 0", "CHANNELS 3 Xposition Yposition Zposition",
        "JOINT head", "{", "OFFSET 0 80 0", "CHANNELS 3 Zrotation Xrotation Yrotation",
        "End Site", "{", "OFFSET 0 20 0", "}", "}",
        "JOINT foot", "{", "OFFSET 0 -90 0", "CHANNELS 3 Zrotation Xrotation Yrotation",
        "End Site", "{", "OFFSET 0 0 10", "}", "}",
        "}", "}", "MOTION", "Frames: 2", "Frame Time: 0.0333333", *["0 0 0 480 90 0 0 0 0 0 0 0"] * 2,
    ]  # fmt: skip
    path = tmp_path / "far.bvh"
    path.write_text("\n".join(lines) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        motion = bvh.load(path)
    assert motion.layout is not None
    assert motion.layout.unit == 0.01
