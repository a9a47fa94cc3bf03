#!/usr/bin/env python3
"""Checks that each folder of src/ includes only itself and folders to its left (ARCHITECTURE.md)."""
import pathlib
import re
import sys

LAYERS = [["base"], ["net"], ["media", "dsp", "rtc"], ["engine"],
          ["vad", "eot", "stt", "llm", "tts"],
          ["upstream"], ["session"], ["api"], ["client"], ["server"]]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
SHARED = {"media/frame.h"}  # plain values that siblings may see

errors = []
for path in sorted(pathlib.Path("src").glob("*/*.[ch]")):
    folder = path.parent.name
    if folder not in RANK:
        errors.append(f"{path}: folder {folder} is not in the list of layers")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'#include "([a-z]+)/([a-z0-9_]+\.h)"', line)
        if not match:
            continue
        other = match[1]
        if other == folder or f"{other}/{match[2]}" in SHARED or other == "tests":
            continue
        if other not in RANK or RANK[other] >= RANK[folder]:
            errors.append(f"{path}:{number}: {folder} may not include {other}/{match[2]}")
print("\n".join(errors) if errors else "layers: clean")
sys.exit(bool(errors))
