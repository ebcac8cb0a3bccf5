"""`kinema serve`, asked over real HTTP by the protocol's client: every constraint, ten clients, malformed bodies."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import json
import math
import os
import queue
import random
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from command import run as kinema
from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotmat_to_quat_xyzw, rotvec_to_rotmat
from kinema.motion.skeleton import Skeleton

client = pytest.importorskip("motionmcp.client", reason="motionmcp-sdk is not installed")
pytest.importorskip("fastapi", reason="the server part of motionmcp-sdk is not installed")

from motionmcp.backbone import Limits  # noqa: E402 - after the check
from motionmcp.schemas import GenerateRequest  # noqa: E402

from kinema.apps.serve.question import action_in  # noqa: E402
from kinema.apps.serve.server import Line, VerbBackbone, application, run  # noqa: E402  # noqa: E402

WALK = perform("walk", seconds=2.0, fps=30.0, seed=1)
BODY = WALK.skeleton
NEAR = 1.5e-4  # metres: a tenth of a millimetre, and half of that for rounding in float32
Json = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of one server, with the shipped models, for this whole file."""
    found: list[str] = []
    stops: list[Callable[[], None]] = []
    limits = Limits(max_duration_seconds=10.0)
    thread = threading.Thread(
        target=run, args=(limits,), kwargs={"port": 0, "ready": found.append, "stop": stops.append}
    )
    thread.start()
    while not found and thread.is_alive():
        thread.join(0.02)
    yield found[0]
    stops[0]()
    thread.join()


def rig(skeleton: Skeleton = BODY, turns: torch.Tensor | None = None) -> Json:
    """The skeleton as a request has it; `turns` are local rest rotations, and offsets are then turned back."""
    joints: list[Json] = []
    above: list[torch.Tensor] = []
    for joint, (name, parent) in enumerate(zip(skeleton.joints, skeleton.parents, strict=True)):
        turn = torch.eye(3) if turns is None else turns[joint]
        over = torch.eye(3) if parent < 0 else above[parent]
        above.append(over @ turn)
        place = [0.0, 0.93, 0.0] if parent < 0 else (over.T @ skeleton.offsets[joint]).tolist()
        joints.append(
            {
                "name": name,
                "parent": None if parent < 0 else skeleton.joints[parent],
                "rest_translation": place,
                "rest_rotation": rotmat_to_quat_xyzw(turn.double()).tolist(),
            }
        )
    return {"joints": joints}


def key(frame: int, *names: str, root: bool = True, at: int | None = None) -> Json:
    """The pose of the walk at a frame, of all joints or of some."""
    source = frame if at is None else at
    turns = rotmat_to_quat_xyzw(WALK.rotations[source].double()).tolist()
    chosen = {name: turn for name, turn in zip(BODY.joints, turns, strict=True) if not names or name in names}
    page: Json = {"type": "pose_keyframe", "frame": frame, "joint_rotations": chosen}
    return page | ({"root_position": WALK.root[source].double().tolist()} if root else {})


def body(model: str, *constraints: Json, frames: int | None = 41, **more: Any) -> Json:
    page: Json = {"protocol_version": "1.0", "model": f"kinema-{model}", "skeleton": rig()}
    page |= {"constraints": list(constraints), "timing": {"fps": 30.0}, **more}
    if "segments" not in more:
        page["duration_frames"] = frames
    page.setdefault("options", {}).setdefault("seed", 3)
    return page


def ask(server: str, page: Json) -> tuple[list[Json], list[Json]]:
    """The samples as the client reads them, and the notes."""
    answer = client.generate(server, page, timeout=120)
    return client.parse_gltf_samples(answer), answer["extensions"]["MMCP_motion"].get("notes", [])


def tracks(answer: Json, joint: str, path: str, sample: int = 0) -> np.ndarray:
    """The very floats of a channel of the glTF."""
    from motionmcp.client.gltf_parser import _decode_buffers, _read_accessor

    node = next(place for place, one in enumerate(answer["nodes"]) if one["name"] == joint)
    animation = answer["animations"][sample]
    (at,) = (one["sampler"] for one in animation["channels"] if one["target"] == {"node": node, "path": path})
    return _read_accessor(answer, _decode_buffers(answer["buffers"]), animation["samplers"][at]["output"])


def positions(sample: Json, page: Json) -> dict[str, np.ndarray]:
    """Joint positions by forward kinematics, written here once more from the protocol's own rule."""
    turns, places = dict[str, np.ndarray](), dict[str, np.ndarray]()
    for place, joint in enumerate(page["skeleton"]["joints"]):
        local, name, parent = sample["local_rot_mats"][:, place].astype(float), joint["name"], joint["parent"]
        if parent is None:
            turns[name], places[name] = local, sample["posed_joints"][:, place].astype(float)
        else:
            places[name] = places[parent] + turns[parent] @ np.array(joint["rest_translation"])
            turns[name] = turns[parent] @ local
    return places


def told(notes: list[Json], kind: str) -> Json:
    return next(note for note in notes if note["code"] == "residual" and note["constraint"] == kind)


def test_capabilities_are_honest(server: str) -> None:
    page = client.get_capabilities(server, use_cache=False)
    models = {each["id"]: each for each in page["models"]}
    assert [each["id"] for each in page["models"]] == ["kinema-inbetween", "kinema-forecast", "kinema-generate"]
    for each in models.values():
        assert each["supports_retargeting"]
        assert each["supported_constraints"] == ["pose_keyframe", "effector_target", "root_path", "ground_height"]
        assert each["limits"]["max_duration_seconds"] == 10
    assert [models[f"kinema-{verb}"]["supports_loop"] for verb in ("inbetween", "forecast", "generate")] == [
        True, False, True,
    ]  # fmt: skip
    dials = {
        each["id"]: {dial["name"]: dial.get("values") for dial in each["model_options"]} for each in models.values()
    }
    assert "smrnet" in dials["kinema-forecast"]["method"]
    assert "posegpt" not in dials["kinema-inbetween"]["method"]
    assert "temperature" in dials["kinema-generate"]


def test_key_poses_come_back_bit_for_bit(server: str) -> None:
    page = body("inbetween", key(0), key(20), key(40))
    answer = client.generate(server, page, timeout=120)
    for constraint in page["constraints"]:
        frame = constraint["frame"]
        for joint, turn in constraint["joint_rotations"].items():
            assert (tracks(answer, joint, "rotation")[frame] == np.array(turn, dtype=np.float32)).all()
        root = tracks(answer, "pelvis", "translation")[frame]
        assert (root == np.array(constraint["root_position"], dtype=np.float32)).all()
    assert told(answer["extensions"]["MMCP_motion"]["notes"], "pose_keyframe")["met"]
    speed = np.linalg.norm(np.diff(tracks(answer, "pelvis", "translation"), axis=0), axis=-1)
    assert 0 < speed.min() < speed.max() < 0.1  # the walk goes on between the keys: 3 m/s at most


def test_a_sparse_key_and_fill_modes(server: str) -> None:
    arm = ("r_shoulder", "r_elbow")
    bent = key(20, *arm, root=False)
    bent["joint_rotations"]["r_elbow"] = [0.0, 0.6, 0.0, 0.8]
    page = body("inbetween", key(0), bent, key(40))
    answer = client.generate(server, page, timeout=120)
    assert (tracks(answer, "r_elbow", "rotation")[20] == np.array([0, 0.6, 0, 0.8], dtype=np.float32)).all()
    knee = tracks(answer, "l_knee", "rotation")
    assert (knee[20] != [0, 0, 0, 1]).any()  # fill_mode generate: the others go on
    rest = client.generate(server, body("inbetween", key(0), bent | {"fill_mode": "rest"}, key(40)), timeout=120)
    assert (tracks(rest, "l_knee", "rotation")[20] == [0, 0, 0, 1]).all()
    apart = client.generate(server, body("inbetween", key(0, "r_elbow"), key(40, "l_knee")), timeout=120)
    assert (tracks(apart, "r_elbow", "rotation") == tracks(apart, "r_elbow", "rotation")[0]).all()  # no whole key
    alone, notes = ask(server, body("inbetween", key(0, *arm), key(40, *arm)))
    assert len(next(note for note in notes if note["code"] == "rest")["joints"]) == len(BODY) - 2
    assert np.allclose(alone[0]["local_rot_mats"][:, BODY.index("l_knee")], np.eye(3), atol=1e-6)


@pytest.mark.parametrize("model", ["inbetween", "forecast", "generate"])
def test_effectors_path_and_ground_are_met(server: str, model: str) -> None:
    x, y, z = (float(part) for part in WALK.points().positions[20, BODY.index("r_wrist")])
    hand = {"type": "effector_target", "joint": "r_wrist", "frames": [20], "positions": [[x + 0.05, y + 0.1, z]]}
    path: Json = {"type": "root_path", "frames": [4, 16, 30], "positions_xz": [[0, 0.1], [0.3, 0.5], [0.4, 1.2]]}
    ground = {"type": "ground_height", "points": [[-5, -5, 0.0], [5, -5, 0.0], [-5, 5, 0.0], [5, 5, 0.0]]}
    keys = [key(frame, at=0) for frame in range(2)] if model == "forecast" else [key(0)]
    page = body(model, *keys, hand, path, ground, segments=[{"type": "unconditioned", "duration_frames": 41}])
    (sample,), notes = ask(server, page)
    places = positions(sample, page)
    for frame, point in zip(path["frames"], path["positions_xz"], strict=True):
        assert np.linalg.norm(places["pelvis"][frame][[0, 2]] - point) < NEAR
    missed = np.linalg.norm(places["r_wrist"][20] - hand["positions"][0])
    said = told(notes, "effector_target")
    assert abs(missed - said["residual"]) < 1e-5  # what is said is what is there
    assert said["met"] == (missed < NEAR)
    assert told(notes, "ground_height")["met"]
    assert min(float(place[2:, 1].min()) for place in places.values()) > -NEAR


def test_a_loop_closes(server: str) -> None:
    for model, constraints in (("inbetween", [key(0), key(12)]), ("generate", [])):
        page = body(
            model, *constraints, segments=[{"type": "unconditioned", "duration_frames": 30}],
            options={"loop": True, "seed": 1},
        )  # fmt: skip
        (sample,), notes = ask(server, page)
        assert told(notes, "loop")["met"]
        local = sample["local_rot_mats"]
        assert np.abs(local[0, 1:] - local[-1, 1:]).max() < 1e-4
        assert abs(sample["posed_joints"][0, 0, 1] - sample["posed_joints"][-1, 0, 1]) < NEAR
    with pytest.raises(client.MmcpError) as refused:
        client.generate(server, page | {"model": "kinema-forecast"})
    assert refused.value.code == "invalid_options"


def test_samples_seeds_and_segment_seeds(server: str) -> None:
    segments = [{"type": "text", "prompt": "a person walks", "duration_frames": 12}]
    segments.append({"type": "text", "prompt": "she is waving", "duration_frames": 8, "seed": 5})
    dials = {"method": "action-gan"}
    options = {"num_samples": 2, "seed": 4, "post_processing": False, "model_options": dials}
    page = body("generate", segments=segments, options=options)
    samples, notes = ask(server, page)
    assert [each["num_frames"] for each in samples] == [20, 20]
    first, other = (each["local_rot_mats"] for each in samples)
    assert np.abs(first - other).max() > 0.01
    again, _ = ask(server, page)
    assert (again[1]["local_rot_mats"] == other).all()
    segments[1]["seed"] = 6
    rerolled, _ = ask(server, page)
    assert (rerolled[0]["local_rot_mats"][:12] == first[:12]).all()
    assert np.abs(rerolled[0]["local_rot_mats"][17:] - first[17:]).max() > 0.01
    assert not [note for note in notes if note["code"] == "unknown_action"]
    segments[0]["prompt"] = "a heron fishes"
    _, notes = ask(server, page)
    (unknown,) = (note for note in notes if note["code"] == "unknown_action")
    assert "walk, run, jump" in unknown["message"]


def test_actions_are_found_in_prompts() -> None:
    actions = ("walk", "run", "dance", "sit", "wave")
    prompts = ("A man walking fast", "running", "She dances", "sits down, then walks", "waving", "a situation", "rung")
    assert [action_in(prompt, actions) for prompt in prompts] == ["walk", "run", "dance", "sit", "wave", None, None]


def test_a_forecast_goes_on_from_the_keys(server: str) -> None:
    page = body(
        "forecast", *(key(frame) for frame in range(12)), segments=[{"type": "unconditioned", "duration_frames": 30}]
    )
    (sample,), notes = ask(server, page)
    root = sample["posed_joints"][:, 0]
    assert np.abs(root[:12] - WALK.root[:12].numpy()).max() == 0
    assert root[29, 2] - root[11, 2] > 0.3  # it walks on, along +z
    assert not [note for note in notes if note["code"] == "short_past"]
    dials = {"model_options": {"method": "zero-velocity", "feet": "keep"}, "seed": 1}
    (still,), _ = ask(server, page | {"options": dials})
    assert still["posed_joints"][29, 0, 2] < root[29, 2] - 0.1


def test_any_skeleton_with_any_rest_rotations(server: str) -> None:
    """The bones of Blender have axes of their own: the same poses on such a rig give the same joint positions."""
    turns = rotvec_to_rotmat(torch.randn(len(BODY), 3, generator=torch.Generator().manual_seed(2)))
    page, plain = body("inbetween", key(0), key(40)), body("inbetween", key(0), key(40))
    page["skeleton"] = rig(turns=turns)
    total: list[torch.Tensor] = []
    for joint, parent in enumerate(BODY.parents):
        total.append(turns[joint] if parent < 0 else total[parent] @ turns[joint])
    world = torch.stack(total)
    above = torch.cat((torch.eye(3)[None], world[list(BODY.parents[1:])]))
    for constraint in page["constraints"]:
        local = above.mT @ WALK.rotations[constraint["frame"]] @ world
        named = zip(BODY.joints, rotmat_to_quat_xyzw(local.double()).tolist(), strict=True)
        constraint["joint_rotations"] = dict(named)
    (ours,), _ = ask(server, page)
    (usual,), _ = ask(server, plain)
    there, here = positions(ours, page), positions(usual, plain)
    assert max(np.linalg.norm(there[name] - here[name], axis=-1).max() for name in BODY.joints) < 1e-4
    hand = {"type": "effector_target", "joint": "r_wrist", "frames": [20], "positions": [[-0.3, 1.2, 0.9]]}
    hand |= {"rotations": [[0.0, 0.6, 0.0, 0.8]]}
    page["constraints"].append(hand)
    _, notes = ask(server, page)
    assert told(notes, "effector_target")["degrees"] < 0.1


def test_a_body_that_is_none_is_filled_but_not_forecast(server: str) -> None:
    names = ("base", "lamp1", "lamp2")
    joints = [
        {
            "name": name,
            "parent": names[at - 1] if at else None,
            "rest_translation": [0, 0.4, 0],
            "rest_rotation": [0, 0, 0, 1],
        }
        for at, name in enumerate(names)
    ]
    turned = {"type": "pose_keyframe", "joint_rotations": {"lamp1": [0, 0, 0.6, 0.8]}}
    page = body(
        "inbetween", key(0, "pelvis") | turned, turned | {"frame": 20, "joint_rotations": {"lamp1": [0, 0, 0, 1]}}
    )
    page["skeleton"] = {"joints": joints}
    (sample,), _ = ask(server, page)
    assert sample["num_joints"] == 3
    with pytest.raises(client.MmcpError) as refused:
        client.generate(server, page | {"model": "kinema-forecast"})
    assert refused.value.code == "invalid_request"


def test_feet_and_contacts(server: str) -> None:
    segments = [{"type": "text", "prompt": "walk", "duration_frames": 30}]
    kept, _ = ask(server, body("generate", segments=segments, options={"post_processing": False, "seed": 2}))
    fixed, _ = ask(server, body("generate", segments=segments, options={"post_processing": True, "seed": 2}))
    assert np.abs(kept[0]["local_rot_mats"] - fixed[0]["local_rot_mats"]).max() > 1e-3
    down = fixed[0]["foot_contacts"]
    assert down[:, BODY.index("l_ankle")].any()
    assert not down.all()
    assert not down[:, BODY.index("head")].any()


def test_what_contradicts_itself_is_refused(server: str) -> None:
    there = WALK.points().positions[20, BODY.index("r_wrist")].tolist()
    away = {
        "type": "effector_target",
        "joint": "r_wrist",
        "frames": [20],
        "positions": [[there[0], there[1] + 0.5, there[2]]],
    }
    for constraints in (
        [key(0), key(20), away],
        [key(0), key(0, at=5)],
        [key(0), away, away | {"positions": [[0, 1, 0]]}],
    ):
        with pytest.raises(client.MmcpError) as refused:
            client.generate(server, body("inbetween", *constraints))
        assert refused.value.code == "invalid_request"
        assert refused.value.details["cure"]


def test_ten_clients_get_their_own_answers(server: str) -> None:
    """The answers differ by where the second key is; each client has to get its own."""

    def one(client_number: int) -> float:
        options = {"model_options": {"method": "squad"}}
        page = body("inbetween", key(0), key(8), frames=9, options=options)
        page["constraints"][1]["root_position"][0] = float(client_number)
        (sample,), _ = ask(server, page)
        return float(sample["posed_joints"][8, 0, 0])

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert list(pool.map(one, range(10))) == [float(number) for number in range(10)]


def test_a_full_line_says_when_to_come_back() -> None:
    async def both() -> tuple[int, str]:
        line, gate = Line(waiting=0), threading.Event()
        first = asyncio.create_task(line.run(lambda: gate.wait(30) and 1))
        await asyncio.sleep(0)
        try:
            await line.run(lambda: 2)
        except Exception as error:  # noqa: BLE001 - its code is what is tested
            code = getattr(error, "code", "")
        gate.set()
        return await first, code

    assert asyncio.run(both()) == (1, "resource_exhausted")


def test_a_stopped_line_answers_no_more() -> None:
    async def late() -> str:
        line = Line(closed=True)
        try:
            await line.run(lambda: 1)
        except Exception as error:  # noqa: BLE001 - its code is what is tested
            return getattr(error, "code", "")
        return "answered"

    assert asyncio.run(late()) == "model_unavailable"


def test_sigterm_ends_it_after_the_answer() -> None:
    """In this process: the server's own handler takes the signal."""
    before, answers = (lambda *_: None), queue.Queue[Any]()
    former = signal.signal(signal.SIGTERM, before)  # another test's may end the process
    busy = threading.Event()

    def ready(address: str) -> None:
        def one() -> None:
            try:
                answers.put(ask(address, body("inbetween", key(0), key(8), frames=9))[0])
            except Exception as error:  # noqa: BLE001 - the test says what came
                answers.put(error)

        def end() -> None:
            busy.wait(60)
            os.kill(os.getpid(), signal.SIGTERM)

        for work in (one, end):
            threading.Thread(target=work, daemon=True).start()

    with pytest.MonkeyPatch.context() as patch:
        plain = VerbBackbone.answer
        patch.setattr(VerbBackbone, "answer", lambda self, asked: (busy.set(), plain(self, asked))[1])
        run(Limits(), port=0, ready=ready)
    (sample,) = answers.get(timeout=60)
    assert sample["num_frames"] == 9
    assert signal.signal(signal.SIGTERM, former) == before


def status(address: str, data: bytes | None = None, **headers: str) -> tuple[int, Json]:
    request = urllib.request.Request(address, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_foreign_names_pages_and_large_bodies_are_refused(server: str) -> None:
    address = f"{server}/capabilities"
    assert status(address)[0] == 200
    assert status(address, Host="evil.example")[0] == 403
    code, page = status(address, Origin="http://evil.example")
    assert (code, page["error"]["code"]) == (403, "forbidden")
    assert status(address, Origin=server)[0] == 200
    code, page = status(f"{server}/generate", b" " * 1_100_000)
    assert (code, page["error"]["code"]) == (413, "payload_too_large")
    assert status(f"{server}/nowhere")[1]["error"]["message"] == "Not Found"


def test_limits_are_kept(server: str) -> None:
    for page in (
        body("inbetween", key(0), frames=400),
        body("inbetween", key(0), frames=41, timing={"fps": 1e-3}),
        body("inbetween", key(0), frames=41, timing={"fps": 1e9}),
        body("inbetween", key(0), options={"num_samples": 17}),
    ):
        with pytest.raises(client.MmcpError) as refused:
            client.generate(server, page)
        assert refused.value.code in ("invalid_options", "schema_validation", "invalid_request")


ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1e308, math.nan, math.inf, "", "x" * 300, [], {}, [[]], [None], {"a": 1}, [0, 0, 0, 0],
)  # fmt: skip


def spoiled(page: Json, random: random.Random) -> bytes:
    """A request with one to three parts replaced, left out or doubled; sometimes cut off or no JSON at all."""
    page = json.loads(json.dumps(page))
    for _ in range(random.randint(1, 3)):
        place: Any = page
        while isinstance(place, dict | list) and place:
            at = random.choice(list(place) if isinstance(place, dict) else range(len(place)))
            inner = place[at]
            if not isinstance(inner, dict | list) or not inner or random.random() < 0.25:
                kind = random.random()
                if kind < 0.7:
                    place[at] = copy.deepcopy(random.choice(ODD))
                elif isinstance(place, dict):
                    place[f"{at}x"] = place.pop(at)
                else:
                    place.append(inner)
                break
            place = inner
    text = json.dumps(page).encode()
    if random.random() < 0.1:
        return text[: random.randrange(len(text))] + random.choice([b"", b"\xff\xfe", b"}" * 5])
    return text


@pytest.fixture(scope="module")
def in_process() -> Callable[[bytes], tuple[int, bytes]]:
    """The application without a socket: a body in, a status and a body out."""
    app = application(Line(), Limits(max_duration_seconds=2.0))

    def post(data: bytes) -> tuple[int, bytes]:
        sent: list[Json] = []

        async def receive() -> Json:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope: Json = {
            "type": "http", "method": "POST", "path": "/generate", "raw_path": b"/generate", "query_string": b"",
            "headers": [(b"host", b"localhost")], "http_version": "1.1", "scheme": "http", "root_path": "",
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1), "asgi": {"version": "3.0"},
        }  # fmt: skip
        try:
            asyncio.run(app(scope, receive, send))
        except Exception:  # noqa: BLE001 - raised again after the answer: the guard of the server logs it
            assert sent
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    return post


def test_malformed_bodies_get_an_error_envelope(in_process: Callable[[bytes], tuple[int, bytes]]) -> None:
    source = random.Random(7)
    small = body("inbetween", key(0, "l_knee", "pelvis"), key(4), frames=5, options={"seed": 1})
    path = {"type": "root_path", "frames": [1, 3], "positions_xz": [[0, 0], [0, 0.1]], "heading_radians": [0, 0]}
    hand = {"type": "effector_target", "joint": "l_wrist", "frames": [2], "positions": [[0.3, 1, 0.2]]}
    small["constraints"] += [path, hand, {"type": "ground_height", "points": [[0, 0, 0]]}]
    refused = 0
    for _ in range(int(os.environ.get("KINEMA_FUZZ_BODIES", "100"))):
        code, answer = in_process(spoiled(small, source))
        page = json.loads(answer)
        assert code == 200 or (400 <= code <= 503 and page["error"]["code"] and page["error"]["message"]), answer[:300]
        assert b"bug of kinema" not in answer, answer[:500]
        refused += code != 200
    assert refused > 20
    assert in_process(json.dumps(small).encode())[0] == 200


def test_another_host_is_said_and_a_taken_port_is_an_error(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINEMA_BUDGET", "2")
    port = server.rpartition(":")[2]
    assert kinema("serve", "--host", "0.0.0.0", "--port", port) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "whoever reaches this machine can ask for motion" in said
    assert "Type --port 0" in said
    assert kinema("serve", "--max-samples", "90") == 2


def test_without_the_packages_the_line_that_installs_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "motionmcp", None)
    assert kinema("serve") == 2
    assert "pip install 'kinema[serve]'" in capsys.readouterr().err


def test_two_answers_of_a_backbone_do_not_depend_on_each_other() -> None:
    backbone = VerbBackbone("inbetween", Line(), Limits())
    page = GenerateRequest.model_validate(body("inbetween", key(0), key(40)))
    first = backbone.answer(page)
    backbone.answer(GenerateRequest.model_validate(body("inbetween", key(0), key(30), frames=31)))
    again = backbone.answer(page)
    assert (first.rotations == again.rotations).all()
    assert (first.root_translations == again.root_translations).all()
