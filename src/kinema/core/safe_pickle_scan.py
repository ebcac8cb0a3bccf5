"""A look at a pickle's instructions before any is followed: what would exhaust the memory or the stack is refused."""

from __future__ import annotations

import pickletools

DEEPEST = 500  # tuples within tuples, which are hashed and freed by recursion
_NESTING = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"}
_READS = {"GET", "BINGET", "LONG_BINGET"}
_WRITES = {"PUT", "BINPUT", "LONG_BINPUT"}
_MARK = -1


def check_pickle(data: bytes) -> None:
    """Raises ValueError where a pickle is not whole, numbers what it remembers far beyond its length, or nests deeply.

    The unpickler makes a table as long as the largest number that something is remembered by, and reserves what a
    length says before it looks whether so much is there. Stack and table are followed here by depths alone.
    """
    stack: list[int] = []
    memo: dict[int, int] = {}
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        numbered = name in _WRITES or name in _READS or name == "FRAME"
        if numbered and not (isinstance(argument, int) and 0 <= argument <= len(data)):
            raise ValueError(f"an entry number {argument} in {len(data)} bytes")
        if name in _READS:
            stack.append(memo.get(argument or 0, 0))
        elif name in _WRITES:
            memo[argument or 0] = stack[-1] if stack else 0
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1] if stack else 0
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "MARK":
            stack.append(_MARK)
        else:
            deepest = max(_taken(opcode, stack), default=0)
            if opcode.stack_after:
                stack.append(deepest + 1 if name in _NESTING else deepest if opcode.stack_before else 0)
                if stack[-1] > DEEPEST:
                    raise ValueError(f"more than {DEEPEST} tuples within each other")


def _taken(opcode: pickletools.OpcodeInfo, stack: list[int]) -> list[int]:
    """The depths of what an instruction takes from the stack."""
    wanted = opcode.stack_before
    if pickletools.markobject in wanted:
        taken: list[int] = []
        while stack and (top := stack.pop()) != _MARK:
            taken.append(top)
        under = wanted.index(pickletools.markobject)
        return taken + [stack.pop() for _ in range(min(under, len(stack)))]
    return [stack.pop() for _ in range(min(len(wanted), len(stack)))]
