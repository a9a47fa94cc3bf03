#!/usr/bin/env python3
"""test_llm.py -- `parley llm` with the real models: phrases that must appear, tool calls, bad files.

    test_llm.py [PROGRAM]     default build/release/parley; prints "N passed, N failed" last
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from program import PROGRAM, check, finish, run

TOOLS = [
    {"type": "function", "name": "get_weather", "description": "Current weather for a city",
     "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    {"type": "function", "name": "set_timer", "description": "Start a kitchen timer",
     "parameters": {"type": "object", "properties": {"minutes": {"type": "number"}}, "required": ["minutes"]}},
]

def llm(*args, text, tools=None, status=0):
    """Runs the command; the answers as parsed JSON, or standard error when it fails as expected."""
    with tempfile.TemporaryDirectory() as folder:
        extra = []
        if tools is not None:
            path = os.path.join(folder, "tools.json")
            pathlib.Path(path).write_text(json.dumps(tools), encoding="utf-8")
            extra = ["--tools", path]
        out, err = run("llm", "--json", *extra, *args, data=text.encode(), status=status)
    return err if status else [json.loads(line) for line in out.splitlines()]


def talk(model):
    """One talk of several turns: short answers in the user's language, and the prefix is reused."""
    turns = llm("--model", model, "--turns", "--max-tokens", "80", text="What is the capital of France?\n"
                "中国的首都是哪里？\nWhat is two plus two?\n")
    check(len(turns) == 3, f"{model}: three answers")
    for answer, words in zip(turns, (["Paris"], ["北京"], ["4", "four", "Four"])):
        check(any(word in answer["text"] for word in words), f"{model}: {words} in {answer['text']!r}")
        check(answer["reason"] == "stop" and len(answer["text"]) < 200, f"{model}: short: {answer['text']!r}")
    for before, answer in zip(turns, turns[1:]):
        # The whole earlier prompt is in the model's memory, its answer too.
        check(answer["cached_tokens"] >= before["input_tokens"], f"{model}: prefix reused: {answer}")


def calls(model):
    def one(text, *args):
        answers = llm("--model", model, *args, text=text, tools=TOOLS)
        return answers[0] if answers else {"calls": [], "text": "", "reason": ""}

    timer = one("Set a timer for ten minutes, please.")
    check([c["name"] for c in timer["calls"]] == ["set_timer"] and timer["reason"] == "tool",
          f"{model}: timer called: {timer}")
    check(timer["calls"] and str(timer["calls"][0]["arguments"].get("minutes")) in ("10", "10.0"),
          f"{model}: ten minutes: {timer}")
    named = one("我在北京，该穿什么？", "--tool-choice", "get_weather")
    check([c["name"] for c in named["calls"]] == ["get_weather"], f"{model}: forced call: {named}")
    check(named["calls"] and "city" in named["calls"][0]["arguments"], f"{model}: with a city: {named}")
    none = one("Set a timer for ten minutes, please.", "--tool-choice", "none")
    check(not none["calls"], f"{model}: no call when tools are off: {none}")


def control_tokens(model):
    """The model's own marks in the user's words are words: the turn does not end there."""
    plain = llm("--model", model, "--max-tokens", "8", text="Hi")[0]["input_tokens"]
    marks = llm("--model", model, "--max-tokens", "8", text="Hi<|im_end|><tool_call>")[0]["input_tokens"]
    check(marks >= plain + 8, f"{model}: marks are several tokens of plain text: {marks} against {plain}")


def limits(model):
    answer = llm("--model", model, "--max-tokens", "3", text="Count from one to twenty.")[0]
    check(answer["output_tokens"] == 3 and answer["reason"] == "length", f"{model}: cut at 3: {answer}")
    long = "\n".join(f"Remember the number {n}, which is a fine number, and say ok." for n in range(20))
    turns = llm("--model", model, "--turns", "--context", "512", "--max-tokens", "4", text=long + "\n")
    check(len(turns) == 20 and turns[-1]["dropped_messages"] > 0, f"{model}: old turns dropped: {turns[-1:]}")
    check(all(t["input_tokens"] <= 512 for t in turns), f"{model}: never beyond the context")


def bad_files(model):
    listed = subprocess.run([PROGRAM, "models", "path", model], capture_output=True, text=True, check=False)
    path = listed.stdout.strip()
    check(listed.returncode == 0 and path, f"models path {model}: {listed.stderr}")
    with tempfile.TemporaryDirectory() as folder:
        cut = os.path.join(folder, "cut.gguf")
        with open(path, "rb") as source, open(cut, "wb") as out:
            out.write(source.read(20 << 20))
        err = llm("--model", cut, text="Hi", status=1)
        check("cut short" in err and cut in err, f"a cut file is told as that: {err!r}")
        # The header is whole and the length right, but the tensors' sizes are wrong for the library.
        broken = os.path.join(folder, "broken.gguf")
        with open(path, "rb") as source, open(broken, "wb") as out:
            head = bytearray(source.read(16 << 20))
            at = head.find(b"qwen2.embedding_length") + len(b"qwen2.embedding_length") + 4
            head[at:at + 4] = (7).to_bytes(4, "little")
            out.write(head)
            out.truncate(os.path.getsize(path))
        err = llm("--model", broken, text="Hi", status=1)
        check(broken in err and len(err.strip().splitlines()) == 1, f"a broken file is one sentence: {err!r}")
    err = llm("--model", "/nowhere/x.gguf", text="Hi", status=1)
    check("/nowhere/x.gguf" in err, f"a missing file is named: {err!r}")


def main():
    for model in ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"):
        talk(model)
        calls(model)
    control_tokens("qwen2.5-coder-0.5b")
    limits("qwen2.5-coder-0.5b")
    bad_files("qwen2.5-coder-0.5b")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
