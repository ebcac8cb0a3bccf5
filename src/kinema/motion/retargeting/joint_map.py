"""Joint maps: a small TOML file that says which joint is which, where names fail.

    [joints]
    pelvis = "Bone001"
    l_hip = ["Bone014", "thigh.L"]   # the first one that a skeleton has
    l_clavicle = ""                  # nothing: what was found by name is dropped

On the left stand the names of `names.CANON17`, `names.EXTREMITIES` and `names.finer_by_name`, or, between two bodies,
any name of your own ("tail1") for joints that are the same in both.
"""

from __future__ import annotations

import json
import re
import tomllib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from kinema.core.atomic import write_text
from kinema.core.errors import KinemaWarning, UsageError, damaged, unknown_name
from kinema.core.text import decode
from kinema.motion.anatomy import SURE, mirror_of
from kinema.motion.motion import AnyClip
from kinema.motion.names import CANON17, EXTREMITIES, finer_by_name, is_end_point
from kinema.motion.skeleton import Skeleton

_FINER = re.compile(r"[lr]_(clavicle|(thumb|index|middle|ring|little)[1-4])")


@dataclass(frozen=True)
class JointMap:
    """The lines of a file: part of the body -> names that it may go by, the first that a skeleton has."""

    name: str
    joints: Mapping[str, tuple[str, ...]]

    def onto(self, skeleton: Skeleton, *, strict: bool = True) -> Skeleton:
        """The skeleton with the map's names as aliases, before those that were found by name; its mirror follows them.

        Raises UsageError where two parts would be one joint, where a part is none that is known, or, if `strict`, where
        the skeleton has none of the names of a part. Between two bodies (`of_both`) a map need not fit each of them.
        """
        named: dict[str, str] = {}
        for part, names in self.joints.items():
            own = next((name for name in names if name in skeleton.joints), None)
            if own is None and strict and names:
                raise UsageError(
                    expected=f"joints of {skeleton.name} ({', '.join(skeleton.joints)})",
                    got=f"'{', '.join(names)}' for {part} in {self.name}",
                    cure="Name a joint of the file, in quotes.",
                )
            if strict and not _is_part(part):
                raise unknown_name("part of the body", part, (*CANON17, *EXTREMITIES, "l_clavicle", "r_clavicle"))
            if own is not None and own in named.values():
                other = next(other for other, name in named.items() if name == own)
                raise UsageError(
                    expected="one joint for each part",
                    got=f"'{own}' for {other} and for {part} in {self.name}",
                    cure="Leave one of the two lines out.",
                )
            if own is not None:
                named[part] = own
        # A line that speaks of the other body alone changes nothing here; an empty one drops its part.
        gone = {part for part, names in self.joints.items() if not names} | set(named)
        kept = {part: own for part, own in skeleton.aliases.items() if part not in gone and own not in named.values()}
        aliases = kept | named
        return replace(skeleton, aliases=aliases, mirror=mirror_of(skeleton.joints, skeleton.mirror, aliases))

    def of_both(self, one: Skeleton, other: Skeleton) -> tuple[Skeleton, Skeleton]:
        """Two skeletons with the map's names: each line has to fit one of them, a name of your own both.

        Raises UsageError for a line that does not, and for what `onto` does.
        """
        for part, names in self.joints.items():
            fits = [any(name in body.joints for name in names) for body in (one, other)]
            if names and not (any(fits) if _is_part(part) else all(fits)):
                where = f"{one.name} or {other.name}" if _is_part(part) else f"{one.name} and {other.name}, both"
                raise UsageError(
                    expected=f"joints of {where}",
                    got=f"'{', '.join(names)}' for {part} in {self.name}",
                    cure="Correct that line: names stand on the right as `kinema info FILE --json` lists them.",
                )
        return self.onto(one, strict=False), self.onto(other, strict=False)


def named_by(clip: AnyClip, file: Path | str | None) -> AnyClip:
    """A clip whose joints go by the names of a map as well; as it is where there is no map. Raises what `onto` does.

    Without a map a KinemaWarning says where joints were matched by the graph, and how sure that is.
    """
    if file is not None:
        return replace(clip, skeleton=read_joint_map(file).onto(clip.skeleton))
    if graph := graph_note(clip.skeleton):
        warnings.warn(graph, KinemaWarning, stacklevel=2)
    return clip


def graph_note(skeleton: Skeleton) -> str | None:
    """What to say of a body whose joints were matched by the graph; None where their names are known."""
    found = skeleton.anatomy
    if found.by == "names" or found.confidence < SURE or dict(skeleton.aliases) != dict(found.aliases):
        return None
    return (
        f"the joints of {skeleton.name} have no known names; {len(found.aliases)} parts were matched by the lengths of "
        f"the bones (confidence {found.confidence:.2f}). Check them: kinema info FILE --write-map map.toml, then "
        "--map map.toml"
    )


def write_map(skeleton: Skeleton, path: Path | str) -> None:
    """Write the parts that were found in a body as a joint map that can be corrected by hand.

    A match by the graph is written whatever its confidence is; parts that were not found, and joints that are no part,
    stand in comments.
    """
    found = skeleton.anatomy
    own = dict(skeleton.aliases)
    parts = own | {part: name for part, name in found.aliases.items() if part not in own and name not in own.values()}
    parts |= finer_by_name(skeleton.joints, set(parts.values()))
    by = "by their names" if found.by == "names" else f"by bone lengths, confidence {found.confidence:.2f}"
    lines = [f"# Joints of {skeleton.name}, matched {by}. Correct the lines, then give the file: --map FILE.toml"]
    lines += ["[joints]", *(f"{part} = {_quoted(own)}" for part, own in parts.items() if _is_part(part))]
    lines += [f'# {part} = ""' for part in (*CANON17, *EXTREMITIES) if part not in parts]
    if rest := [name for name in skeleton.joints if name not in parts.values() and not is_end_point(name)]:
        lines += ["", "# Joints that are no part: " + ", ".join(_quoted(name) for name in rest)]
    write_text(Path(path), "\n".join(lines) + "\n")


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def read_joint_map(path: Path | str) -> JointMap:
    """The map in a TOML file. Raises UsageError where there is none, FormatError where it is not one."""
    path = Path(path)
    if not path.is_file():
        raise UsageError(
            expected="a joint map (TOML)",
            got=f"no file at {path}",
            cure=f"Name a file that is in {path.parent}; docs/retarget.md shows how one is written.",
        )
    try:
        table = tomllib.loads(decode(path.read_bytes())[0])
    except tomllib.TOMLDecodeError as error:
        raise damaged(path.name, "TOML", f"something else ({error})", "See docs/retarget.md.") from error
    rows = table.get("joints")
    if not isinstance(rows, dict) or set(table) != {"joints"} or not rows:
        expected = 'one table [joints] with lines such as l_hip = "thigh_l"'
        raise damaged(path.name, expected, ", ".join(table) or "nothing", "See docs/retarget.md.")
    return JointMap(path.name, {part: _names(path, part, row) for part, row in cast("dict[str, object]", rows).items()})


def _names(path: Path, part: str, row: object) -> tuple[str, ...]:
    names = cast("list[object]", row if isinstance(row, list) else [row])
    if not all(isinstance(name, str) for name in names):
        cure = f'Write {part} = "NAME OF THE JOINT".'
        raise damaged(f"{path.name}, {part}", "a joint's name in quotes, or a list of them", repr(row), cure)
    return tuple(name for name in cast("list[str]", names) if name)


def _is_part(name: str) -> bool:
    return name in CANON17 or name in EXTREMITIES or _FINER.fullmatch(name) is not None
