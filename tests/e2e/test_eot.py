#!/usr/bin/env python3
"""test_eot.py -- `parley eot` with the real model: pauses, ends, words, bad files; and serving without it.

    test_eot.py [PROGRAM]     default build/release/parley; prints "N passed, N failed, N skipped" last

Uses the recording that set-up's test group fetches (jfk-recording) and, where it is there, ../shared/audio. What the
model says is compared with one half only, for sound that it is far from.
"""
import json
import pathlib
import struct
import sys
import tempfile
import wave

from program import ROOT, check, finish, run, skip

sys.path.insert(0, str(ROOT / "tests/bench"))
import stt_accuracy  # noqa: E402  (our own file, found by the line above)

RATE = 16000
# Whole turns that the model is sure of.
TURNS = ("en/conv_turn_001", "en/conv_turn_002", "en/conv_turn_004", "zh/aishell_BAC009S0724W0121",
         "zh/aishell_BAC009S0764W0121", "zh/sensevoice_zh")


def eot(*args, data=b""):
    return [json.loads(line) for line in run("eot", "--json", *args, data=data)[0].splitlines()]


def read_wav(path):
    with wave.open(str(path)) as f:
        return f.readframes(f.getnframes())


def recording(jfk):
    (found,) = eot(jfk)
    pauses = found["pauses"]
    check(len(pauses) >= 3 and found["turn"] < 0.5 and 10.9 < found["seconds"] < 11.1, f"jfk: {found}")
    check([p["start"] for p in pauses] == sorted(p["start"] for p in pauses), "pauses come in their order")
    check(all(p["start"] < p["asked"] <= found["seconds"] and p["work_us"] > 0 for p in pauses), f"jfk: {pauses}")
    check(all(p["end"] > p["start"] for p in pauses[:-1]), "speech begins again after each pause but the last")
    # "Ask not" and "what your country can do for you" go on.
    for low, high in ((4.2, 4.6), (7.4, 7.9)):
        inside = [p for p in pauses if low < p["start"] < high]
        check(len(inside) == 1 and inside[0]["permille"] < 500, f"jfk, a pause at {low} to {high} s: {pauses}")
    # "Ask not what your country can do for you, ask what you can do for your country" does not.
    sound = read_wav(jfk)[:int(10.8 * RATE) * 2]
    (end,) = eot("--end", "--raw", str(RATE), "-", data=sound)
    check(end["pauses"][0]["permille"] > 500 and len(end["pauses"]) == 1, f"jfk, end: {end}")
    text = run("eot", "--text", "And so my fellow Americans and", jfk)[0].splitlines()
    check(len(text) == len(pauses) and text[-1].endswith(" open_ended") and not text[0].endswith("open_ended"),
          f"the words' rule stands at the last pause: {text}")


def words():
    lines = "990\tdie Katze\n990\tthank you, bye\n10\tI went to the\n10\t今天天气怎么样\n".encode()
    got = run("eot", "--rules", data=lines)[0].splitlines()
    check(len(got) == 4 and got[0].split()[0].isdigit() and got[1].split()[1:] == ["complete", "takes"] and
          got[2] == "- open_ended" and got[3].split()[1:] == ["complete", "question", "takes", "han"], f"--rules: {got}")
    run("eot", "--rules", data=b"no number\n", status=2)
    run("eot", "--rules", data=b"1001\ttoo much\n", status=2)


def nothing_and_bad_files(folder):
    (found,) = eot("-", data=bytes(2 * RATE))
    check(found["pauses"] == [], f"silence has no pauses: {found}")
    (found,) = eot("-", "--end", data=struct.pack("<h", 100))
    check(len(found["pauses"]) == 1, f"one sample is sound: {found}")
    (found,) = eot("-", "--end", data=b"")
    check(found["pauses"] == [], f"nothing at all: {found}")
    bad = folder / "bad.onnx"
    bad.write_bytes(b"no model" * 100)
    check("bad.onnx" in run("eot", "--model", str(bad), "-", data=bytes(RATE), status=1)[1], "a bad model is named")
    silero = run("models", "path", "silero-vad")[0].strip()
    check("smart-turn" in run("eot", "--model", silero, "-", data=bytes(RATE), status=1)[1],
          "another model is not taken for it")
    run("eot", str(folder / "nowhere.wav"), status=1)
    run("eot", "--silence-ms", "5", status=2)
    return bad


def serving_without(bad):
    """A bad model costs one warning and nothing else."""
    errors = run("check", "--set", "llm.model=small", "--set", f"eot.model={bad}")[1].splitlines()
    warnings = [line for line in errors if "eot" in line and "text and silence alone" in line]
    check(len(warnings) == 1 and "bad.onnx" in warnings[0], f"one warning that names the file: {warnings}")


def recordings(audio):
    for turn in eot(*(str(audio / f"{name}.wav") for name in TURNS)):
        check(turn["pauses"] and turn["pauses"][-1]["permille"] > 500, f"a whole turn: {turn}")


def main():
    jfk = run("models", "path", "jfk-recording")[0].strip()
    with tempfile.TemporaryDirectory() as name:
        recording(jfk)
        words()
        serving_without(nothing_and_bad_files(pathlib.Path(name)))
    audio = stt_accuracy.default_audio()
    if audio:
        recordings(audio)
    else:
        skip("the recordings of ../shared/audio are not here")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
