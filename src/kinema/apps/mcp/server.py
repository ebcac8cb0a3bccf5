"""The agents' protocol: each tool with its schema, made from the request of its verb, and each error as one line."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, get_type_hints

from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from kinema.apps.mcp.tools import Facts, SharedFolder, Tools
from kinema.core.constants import VERSION
from kinema.core.errors import KinemaError

_ABOUT = """Human motion: forecast, fill, slow down, repair, generate, retarget and draw motion files (BVH, NPZ, GLB,
CSV) in one folder. Names of files are relative to it. Lengths are metres, y is up, frames count from 0. `constraints`
is a list of objects; the result says what is left of each:
{"kind": "pin", "joint": "r_wrist", "frames": [40], "positions": [[0.3, 1.2, 0.5]]},
{"kind": "root_path", "frames": [0, 60], "positions": [[0, 0], [1.5, 0.2]]},
{"kind": "plant", "foot": "left", "start": 10, "end": 30}, {"kind": "ground", "height": 0}, {"kind": "loop"},
{"kind": "pose", "frame": 60, "file": "other.bvh", "source_frame": 0}."""
_DESCRIPTIONS = {
    "file": "The motion file to read.",
    "out": "The file to write; its suffix is the format: .bvh, .npz, .glb or .csv (render: .png or .gif).",
    "model": "auto, a shipped model (simlpe-cmu, smrnet, posegpt ...) or a curve (linear, squad ...).",
    "end": "A file: every forecast ends in its last pose.",
    "append": "Write the known motion before the forecast.",
    "second": "The clip after the gap.",
    "constraints": "What the answer has to meet: a list of objects, as the server's instructions say.",
    "feet": "Clean the feet: those that stand do not slide.",
    "overwrite": "Write over a file that is there.",
}


def server_of(tools: Tools) -> MCPServer[Any]:
    """The server with all tools."""
    server: MCPServer[Any] = MCPServer("kinema", instructions=_ABOUT, version=VERSION, log_level="ERROR")
    for work in (
        tools.files, tools.info, tools.forecast, tools.inbetween, tools.upsample, tools.repair, tools.generate,
        tools.retarget, tools.render,
    ):  # fmt: skip
        picture = tools.folder if work == tools.render else None
        server.add_tool(_tool(work, picture), name=work.__name__, structured_output=False)
    return server


def serve(folder: Path, models: tuple[str, ...] = ()) -> None:
    """Serve on standard input and output until they are closed."""
    server_of(Tools(SharedFolder(folder), models)).run("stdio")


def _tool(work: Callable[..., Facts], pictures: SharedFolder | None) -> Callable[..., Any]:
    """The function as a tool: the fields of its request are arguments of their own, and errors are one line."""
    hints = get_type_hints(work)
    request = hints.get("request")
    own = [each for name, each in inspect.signature(work).parameters.items() if name != "request"]
    asked = [] if request is None else _fields_of(request)

    def run(**given: Any) -> Any:
        try:
            if request is not None:
                wanted = {each.name: given.pop(each.name) for each in asked}
                given["request"] = request(**wanted)
            facts = work(**given)
        except KinemaError as error:
            raise ToolError(str(error)) from error
        except Exception as error:
            raise ToolError(f"{type(error).__name__}: {error}. This is a bug of kinema; please report it.") from error
        if pictures is not None and facts["files"][0].endswith(".png"):
            return [facts, Image(path=pictures.root / facts["files"][0])]
        return facts

    def described(each: inspect.Parameter) -> inspect.Parameter:
        about = Field(description=_DESCRIPTIONS.get(each.name))
        return each.replace(annotation=Annotated[hints[each.name], about], kind=inspect.Parameter.KEYWORD_ONLY)

    every = [*(described(each) for each in own), *asked]
    run.__signature__ = inspect.Signature(every, return_annotation=Any)  # pyright: ignore[reportFunctionMemberAccess] - it is read by inspect
    run.__annotations__ = {each.name: each.annotation for each in every}
    run.__doc__, run.__name__ = work.__doc__, work.__name__
    return run


def _fields_of(request: type) -> list[inspect.Parameter]:
    """The fields of a request as arguments, with the text below each as its description."""
    about, hints = _texts_of(request), get_type_hints(request)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=Annotated[hints[each.name], Field(description=about.get(each.name))],
        )
        for each in fields(request)
    ]


def _texts_of(request: type) -> dict[str, str]:
    """The string below each field of a class."""
    (node,) = ast.parse(dedent(inspect.getsource(request))).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            found[before.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return found
