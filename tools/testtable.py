#!/usr/bin/env python3
"""Writes the table of unit tests and fuzz targets that tests/run.c walks: testtable.py tests."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
entries = []
for path in sorted(root.glob("unit/*.c")):
    for kind, name in re.findall(r"^PRL_TEST(_OOM)?\((\w+)\)", path.read_text(), re.M):
        function = f"test_oom_{name}" if kind else f"test_{name}"
        label = f"{path.stem.removeprefix('test_')}/{name}"
        entries.append((f"void {function}(void);",
                        f'{{"{label}", {function}, NULL, NULL, {"true" if kind else "false"}}}'))
for path in sorted(root.glob("fuzz/fuzz_*.c")):
    name = path.stem
    corpus = root / "fuzz" / "corpus" / name.removeprefix("fuzz_")
    entries.append((f"int {name}(const uint8_t *data, size_t size);",
                    f'{{"fuzz/{name.removeprefix("fuzz_")}", NULL, {name}, "{corpus}", false}}'))
print('#include "tests/unit.h"\n')
print("\n".join(e[0] for e in entries))
print("\nconst struct prl_test_entry prl_test_table[] = {")
print(",\n".join("    " + e[1] for e in entries))
print("};\nconst size_t prl_test_count = sizeof(prl_test_table) / sizeof(prl_test_table[0]);")
