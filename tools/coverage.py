#!/usr/bin/env python3
"""coverage.py -- how much of the code behind each fuzz target its corpus reaches, in lines.

    coverage.py RUNNER [NAME]    RUNNER: tests/unit-run of `make MODE=cov`; NAME: one target

The files of a target are those of the headers that it includes: tts/text.h stands for src/tts/text.c and
src/tts/text_*.c. Fails when a target stays below 70 %.
"""
import glob
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LEAST = 70
# Targets for one function of a file that another target has as a whole.
PARTS = {"dtls_record": "dtls"}
HELPERS = {"base/check.h", "base/err.h", "base/json.h", "base/mem.h", "base/str.h", "base/clock.h"}


def files_of(target):
    text = pathlib.Path(f"tests/fuzz/fuzz_{target}.c").read_text(encoding="utf-8")
    headers = set(re.findall(r'#include "((?!tests/)[^"]+\.h)"', text)) - HELPERS
    stems = [f"src/{header[:-2]}" for header in sorted(headers)]
    return [path for stem in stems for path in sorted(glob.glob(f"{stem}.c") + glob.glob(f"{stem}_*.c"))]


def measure(runner, target, folder):
    raw = os.path.join(folder, target)
    subprocess.run([runner, "-f", f"fuzz/{target}"], check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, LLVM_PROFILE_FILE=f"{raw}-%p.profraw"))
    profiles = glob.glob(f"{raw}-*.profraw")
    subprocess.run(["llvm-profdata-14", "merge", "-o", f"{raw}.profdata", *profiles], check=True)
    out = subprocess.run(["llvm-cov-14", "export", "-summary-only", f"-instr-profile={raw}.profdata", runner,
                          *files_of(target)], check=True, capture_output=True)
    rows = []
    for file in json.loads(out.stdout)["data"][0]["files"]:
        lines = file["summary"]["lines"]
        rows.append((os.path.relpath(file["filename"]), lines["covered"], lines["count"]))
    return rows


def main():
    runner = sys.argv[1]
    targets = sys.argv[2:] or sorted(p.stem[5:] for p in pathlib.Path("tests/fuzz").glob("fuzz_*.c"))
    low = []
    with tempfile.TemporaryDirectory() as folder:
        for target in targets:
            if target in PARTS:
                print(f"{target:14} part of {PARTS[target]}", flush=True)
                continue
            rows = measure(runner, target, folder)
            covered, count = sum(r[1] for r in rows), sum(r[2] for r in rows)
            percent = 100 * covered / count
            low += [target] if percent < LEAST else []
            print(f"{target:14} {percent:5.1f} %  " +
                  ", ".join(f"{os.path.basename(name)} {100 * c / n:.0f}" for name, c, n in rows), flush=True)
    if low:
        print(f"coverage: below {LEAST} %: {' '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
