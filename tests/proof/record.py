"""Write the answers anew where a change of them is meant: python tests/proof/record.py --only 'forecast/smrnet/*'.

`--check` writes nothing and says how far every kind of question is off; `--threads` is for that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

import torch
from proof_cases import GOLDEN, Work, cases, read_golden, write_golden
from proof_compare import LIMITS, differences, worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a case, or a pattern with *")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    every = list(cases())
    asked = [case for case in every if not chosen.only or any(fnmatch(case.name, one) for one in chosen.only)]
    if not asked:
        sys.exit(f"no case is named {' or '.join(chosen.only)}; they are: {', '.join(case.name for case in every)}")
    golden = read_golden() if GOLDEN.is_file() else {}
    off: dict[str, tuple[float, str]] = {}
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder))
        for case in asked:
            found = case.ask(work)
            if case.name in golden:
                for where, share, words in differences(golden[case.name], found):
                    kind = f"{case.limit} {case.name.split('/')[0]}"
                    off[kind] = max(off.get(kind, (0.0, "")), (share, f"{case.name} {where}: {words}"))
                over = worst(golden[case.name], found, LIMITS[case.limit])
                failed += bool(over)
                print("".join(f"{case.name} {line}\n" for line in over[:3]), end="")
            if not chosen.check:
                golden[case.name] = found
    if chosen.check:
        print("".join(f"{kind}: {share:.2g} at {where}\n" for kind, (share, where) in off.items()), end="")
        return int(failed > 0)
    names = [case.name for case in every]
    write_golden({name: golden[name] for name in names if name in golden})
    print(f"{len(asked)} cases asked, {failed} of them changed; {GOLDEN.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
