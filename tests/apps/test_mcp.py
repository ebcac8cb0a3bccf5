"""`kinema mcp`, used by the protocol's own client: every tool once, and nothing outside the folder."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command import run as kinema
from kinema.data.synthetic import perform
from kinema.io.formats import load, save

pytest.importorskip("mcp.server", reason="mcp is not installed")

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from kinema.apps.mcp.server import server_of
from kinema.apps.mcp.tools import SharedFolder, Tools

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a walk in it, and a secret beside it."""
    (tmp_path / "secret.bvh").write_text("not for agents")
    inside = tmp_path / "clips"
    inside.mkdir()
    save(perform("walk", seconds=1.0, fps=30.0, seed=1), inside / "walk.bvh")
    return inside


def results(folder: Path, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """What the client gets for each call: the JSON of the result, or the text of the error."""

    async def ask() -> list[Any]:
        found: list[Any] = []
        async with Client(server_of(Tools(SharedFolder(folder)))) as client:
            for name, arguments in calls:
                answer = await client.call_tool(name, arguments)
                text = answer.content[0].text
                found.append(text if answer.is_error else json.loads(text))
        return found

    return asyncio.run(ask())


def test_the_tools_have_schemas_with_descriptions(folder: Path) -> None:
    async def ask() -> dict[str, Any]:
        async with Client(server_of(Tools(SharedFolder(folder)))) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    tools = asyncio.run(ask())
    assert sorted(tools) == [
        "files", "forecast", "generate", "inbetween", "info", "render", "repair", "retarget", "upsample",
    ]  # fmt: skip
    schema = tools["forecast"].input_schema
    assert schema["required"] == ["file", "out"]
    assert {"seconds", "samples", "seed", "hold", "constraints", "model"} <= set(schema["properties"])
    for tool in tools.values():
        assert tool.description
        properties = tool.input_schema["properties"]
        plain = {"size", "poses", "view", "theme", "skeleton", "target"}  # said in the tool's own line
        assert all("description" in each for name, each in properties.items() if name not in plain)


def test_every_tool_works_on_files(folder: Path) -> None:
    pin = {"kind": "pin", "joint": "r_wrist", "frames": [5], "positions": [[-0.2, 1.2, 1.0]]}
    walk = {"file": "walk.bvh"}
    found = results(
        folder,
        ("files", {}),
        ("info", walk),
        ("forecast", walk | {"out": "next.bvh", "seconds": 0.4, "constraints": [pin]}),
        ("forecast", walk | {"out": "f.npz", "seconds": 0.2, "samples": 2, "model": "constant-velocity"}),
        ("inbetween", walk | {"out": "new/filled.bvh", "keys": [0, 10, 29], "model": "squad"}),
        ("inbetween", walk | {"second": "walk.bvh", "frames": 10, "align": True, "out": "two.bvh", "model": "hold"}),
        ("upsample", walk | {"out": "slow.bvh", "rate": 2.0, "model": "linear"}),
        ("repair", walk | {"out": "whole.bvh", "frames": [4, 5], "model": "squad"}),
        (
            "generate",
            {"action": "wave", "seconds": 0.3, "skeleton": "walk.bvh", "out": "wave.bvh", "model": "action-gan"},
        ),
        ("retarget", walk | {"target": "smpl24", "out": "smpl.npz", "feet": True}),
        ("render", walk | {"out": "walk.png", "poses": 2, "size": 64}),
    )
    errors = [one for one in found if isinstance(one, str)]
    assert not errors
    assert found[0]["files"] == ["walk.bvh"]
    assert found[1]["frames"] == 30
    assert found[2]["constraints"][0]["met"] in (True, False)
    assert load(folder / "next.bvh").frames == 12
    assert found[3]["files"] == ["f.npz"]
    assert load(folder / "new" / "filled.bvh").frames == 30
    assert found[5]["frames"] == 12
    assert found[6]["frames"] == 59
    assert "walk" in found[8]["actions"]
    assert load(folder / "smpl.npz").skeleton.joints != load(folder / "walk.bvh").skeleton.joints
    assert (folder / "walk.png").read_bytes()[:4] == b"\x89PNG"


def test_nothing_outside_the_folder_is_reached(folder: Path) -> None:
    shutil.copy(folder / "walk.bvh", folder.parent / "other.bvh")
    (folder / "link.bvh").symlink_to(folder.parent / "other.bvh")
    (folder / "up").symlink_to(folder.parent)
    secret = str(folder.parent / "other.bvh")
    names = ("../other.bvh", secret, "link.bvh", "up/other.bvh", "a/../../other.bvh", "~/x.bvh", "C:\\x.bvh", "", ".")
    pose = {"kind": "pose", "frame": 3, "file": "../other.bvh"}
    walk = {"file": "walk.bvh", "seconds": 0.2, "model": "zero-velocity"}
    before = sorted(path.name for path in folder.parent.iterdir())
    found = results(
        folder,
        *(("info", {"file": name}) for name in names),
        *(("forecast", walk | {"out": name}) for name in names),
        ("forecast", walk | {"out": "x.bvh", "constraints": [pose]}),
        ("forecast", walk | {"out": "x.bvh", "end": secret}),
        ("forecast", walk | {"out": "x.bvh", "model": str(folder.parent)}),
        ("forecast", walk | {"out": "x.bvh", "model": "hub:someone/model"}),
        ("retarget", {"file": "walk.bvh", "target": "../other.bvh", "out": "x.bvh"}),
        ("render", {"file": "walk.bvh", "out": "../x.png"}),
    )
    for one in found:
        assert isinstance(one, str), one
        assert "\n" not in one.strip(), one
        assert "bug of kinema" not in one, one
    assert sorted(path.name for path in folder.parent.iterdir()) == before
    assert not (folder / "x.bvh").exists()
    assert results(folder, ("files", {}))[0]["files"] == ["walk.bvh"]


def test_a_file_is_not_written_over_and_errors_say_what_to_do(folder: Path) -> None:
    walk = {"file": "walk.bvh", "out": "walk.bvh", "rate": 2.0, "model": "linear"}
    before = (folder / "walk.bvh").read_bytes()
    kept, wrong, neither, unknown, missing = results(
        folder,
        ("upsample", walk),
        ("upsample", walk | {"out": "x.txt"}),
        ("upsample", {"file": "walk.bvh", "out": "y.bvh"}),
        ("generate", {"out": "z.bvh", "action": "fly"}),
        ("info", {"file": "wlak.bvh"}),
    )
    assert "overwrite" in kept
    assert (folder / "walk.bvh").read_bytes() == before
    assert "x.bvh" in wrong
    assert "rate=" in neither
    assert "walk" in unknown
    assert "walk.bvh" in missing
    (done,) = results(folder, ("upsample", walk | {"overwrite": True}))
    assert done["frames"] == 59


def test_over_standard_input_and_output(folder: Path) -> None:
    async def ask() -> list[str]:
        command = StdioServerParameters(
            command=sys.executable, args=["-m", "kinema", "mcp", str(folder)], env=dict(os.environ)
        )
        async with Client(command) as client:
            files = await client.call_tool("files", {})
            refused = await client.call_tool("info", {"file": "/etc/passwd"})
            return [files.content[0].text, refused.content[0].text]

    files, refused = asyncio.run(ask())
    assert json.loads(files)["files"] == ["walk.bvh"]
    assert "got '/etc/passwd'" in refused


def test_a_missing_folder_or_package_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert kinema("mcp", str(tmp_path / "none")) == 2
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    assert kinema("mcp", str(tmp_path)) == 2
    assert "pip install 'kinema[mcp]'" in capsys.readouterr().err
