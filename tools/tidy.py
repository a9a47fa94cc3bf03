#!/usr/bin/env python3
"""Our own rules, as a program: errors fail, advice is printed only (STYLE: rules that are programs)."""
import pathlib
import re
import subprocess
import sys

BANNED = r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|alloca|usleep|sleep)\s*\("
HEAP = r"\b(malloc|calloc|realloc|free|strdup|strndup|asprintf)\s*\("
CLOCK = r"\b(clock_gettime|gettimeofday|time)\s*\("
# Adapters whose library hands out heap blocks that only free() takes, or that live outside base.
HEAP_ALLOWED = {"src/base/mem.c", "src/llm/llama_module.c", "src/stt/whisper_module.c", "tests/run.c"}
CLOCK_ALLOWED = {"src/base/clock.c", "src/llm/llama_module.c", "src/stt/whisper_module.c"}
THIRD_PARTY = {
    "uv": 1, "libwebsockets": 1, "jansson": 1, "yaml": 1, "openssl": 0, "onnxruntime_c_api": 1,
    "sherpa-onnx": 1, "llama": 1, "whisper": 1, "speex": 0, "curl": 1, "portaudio": 1, "opencc": 0,
    "kiss_fft": 1, "kiss_fftr": 1, "usrsctp": 1,
}

errors, advice = [], []


def strip(text):
    """Blanks comments and string literals, keeping line numbers."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


files = [pathlib.Path(p) for p in subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True,
).stdout.split("\n") if p]
for path in files:
    if not path.is_file():
        continue
    name = str(path)
    if path.stat().st_size > 1_000_000:
        errors.append(f"{name}: over 1 MB")
    data = path.read_bytes()
    if path.suffix in {".c", ".h", ".py", ".md", ".js", ".css", ".html", ".mk", ".yaml", ".lock"}:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            errors.append(f"{name}: not UTF-8")
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line) and name != "tools/tidy.py":
                errors.append(f"{name}:{number}: TODO without an issue number")
    if path.suffix not in {".c", ".h"}:
        continue
    code = strip(text)
    in_src = name.startswith("src/")
    for number, line in enumerate(code.splitlines(), 1):
        if re.search(BANNED, line):
            errors.append(f"{name}:{number}: banned call: {line.strip()}")
        if in_src and name not in HEAP_ALLOWED and re.search(HEAP, line):
            errors.append(f"{name}:{number}: heap call outside base/mem: {line.strip()}")
        if in_src and name not in CLOCK_ALLOWED and re.search(CLOCK, line):
            errors.append(f"{name}:{number}: clock call outside base/clock: {line.strip()}")
    if in_src and path.suffix == ".h":
        head = "\n".join(text.splitlines()[:40])
        if not re.match(r"// \S+\.h -- ", head):
            errors.append(f"{name}: does not open with '// name.h -- what it is'")
        for include in re.findall(r"#include <([^>]+)>", text):
            root = include.split("/")[0].removesuffix(".h")
            if root in THIRD_PARTY:
                errors.append(f"{name}: third-party header <{include}> belongs in one adapter .c")
        guard = "PRL_" + re.sub(r"\W", "_", str(path.relative_to("src"))).upper()
        if guard not in text:
            errors.append(f"{name}: include guard should be {guard}")
    if in_src and path.suffix == ".c":
        test = pathlib.Path(f"tests/unit/test_{path.stem}.c")
        stem = path.stem
        tested = test.exists() or any(stem in t.read_text() for t in
                                      pathlib.Path("tests/unit").glob("test_*.c"))
        if not tested and not name.startswith("src/server/"):
            advice.append(f"{name}: no unit test names it")
    if in_src and len(text.splitlines()) > 500:
        advice.append(f"{name}: {len(text.splitlines())} lines")

if "-v" in sys.argv:
    print("\n".join("advice: " + a for a in advice))
print("\n".join(errors) if errors else f"tidy: clean, {len(advice)} pieces of advice (-v shows them)")
sys.exit(bool(errors))
