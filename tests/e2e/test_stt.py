#!/usr/bin/env python3
"""test_stt.py -- `parley stt` and `parley vad` with the real models: words, languages, silence, bad files.

    test_stt.py [PROGRAM]     default build/release/parley; prints "N passed, N failed, N skipped" last

Uses the recording that set-up's test group fetches (jfk-recording) and, where it is there, ../shared/audio.
"""
import json
import math
import pathlib
import random
import struct
import sys
import tempfile
import wave

from program import PROGRAM, ROOT, check, finish, side_by_side, skip
from program import run as run_program

sys.path.insert(0, str(ROOT / "tests/bench"))
import stt_accuracy  # noqa: E402  (our own file, found by the line above)

RATE = 16000


def run(*args, data=b"", status=0):
    """Runs the program; its stdout (stderr when it is to fail)."""
    return run_program(*args, data=data, status=status, limit_s=1500)[status != 0]


def stt(*args, data=b""):
    return [json.loads(line) for line in run("stt", "--json", *args, data=data).splitlines()]


def write_wav(path, samples):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return str(path)


def read_wav(path):
    with wave.open(str(path)) as f:
        return f.readframes(f.getnframes())


def english(jfk):
    (answer,) = stt("--language", "en", jfk)
    check("ask not what your country can do for you" in answer["text"], f"jfk: {answer['text']}")
    check(answer["engine"] == "moonshine" and answer["language"] == "en", f"jfk: {answer}")
    check(answer["audio_ms"] == 11000, f"length: {answer['audio_ms']}")
    (again,) = stt("--language", "en-US", "--raw", str(RATE), "-", data=read_wav(jfk))
    check(again["text"] == answer["text"], "raw samples on standard input say the same")
    (found,) = stt(jfk)
    check(found["language"] == "en" and found["engine"] == "moonshine", f"language found out: {found}")
    (other,) = stt("--language", "zh", jfk)
    check(other["engine"] == "whisper", f"routed to whisper: {other}")


def live(jfk):
    *partials, final = stt("--language", "en", "--partials", jfk)
    check(len(partials) >= 4 and final["type"] == "final", f"{len(partials)} partials")
    check(all(p["type"] == "partial" for p in partials), "partials before the final")
    check("country" in final["text"], f"final: {final['text']}")
    ends = [p["audio_ms"] for p in partials]
    check(ends == sorted(ends), f"partials cover more and more: {ends}")
    check(any(p["stable_bytes"] > 0 for p in partials), "some of it is stable")


def signs_of_listening(folder, jfk):
    """What is said as a sign of listening is hardly less likely one than the words it is taken for."""
    for said in ("Mm-hmm.", "Okay.", "I see.", "Hmm."):
        wav = str(folder / "sign.wav")
        run("tts", "--lang", "en", "--voice", "am_michael", "--quality", "best", "--out", wav, said)
        (answer,) = stt("--language", "en", wav)
        check(answer.get("margin", 99) < 6, f"{said} {answer}")
    sound = read_wav(jfk)
    cut = write_wav(folder / "cut.wav", struct.unpack(f"<{RATE}h", sound[RATE * 2 * 54 // 10:RATE * 2 * 64 // 10]))
    (answer,) = stt("--language", "en", cut)
    check(answer["margin"] > 8, f"words of a person {answer}")
    (whole,) = stt("--language", "en", jfk)
    check("margin" not in whole, f"a long sound is not weighed {whole}")


def word_times(jfk):
    words = [json.loads(line) for line in run("stt", "--words", "--json", "--language", "en", jfk).splitlines()]
    text = "".join(word["text"] for word in words)
    check("country" in text, f"words: {text}")
    times = [word["at_ms"] for word in words]
    check(times == sorted(times) and 0 <= times[0] and times[-1] <= 11000, f"times: {times}")
    first = next(word["at_ms"] for word in words if "ask" in word["text"])
    check(3200 <= first <= 4100, f"'ask' is said from 3.3 to 3.8 s, found at {first} ms")


def nothing_said(folder):
    source = random.Random(7)
    hiss = [source.randint(-300, 300) for _ in range(3 * RATE)]
    hum = [int(1500 * math.sin(2 * math.pi * 50 * i / RATE)) for i in range(3 * RATE)]
    sounds = {"silence": [0] * 3 * RATE, "hiss": hiss, "hum": hum, "click": [0] * 800 + [20000] * 8}
    paths = [write_wav(folder / f"{name}.wav", samples) for name, samples in sounds.items()]
    for language in ("en", "zh"):
        for name, answer in zip(sounds, stt("--language", language, *paths), strict=True):
            check(answer["no_speech"] and answer["text"] == "", f"{name} in {language}: {answer['text']!r}")
    for name, path in zip(sounds, paths):
        check(run("vad", path) == "", f"{name}: no voice")


def long_sound(folder, jfk):
    speech = read_wav(jfk)
    samples = list(struct.unpack(f"<{len(speech) // 2}h", speech))
    (answer,) = stt("--language", "en", write_wav(folder / "long.wav", (samples + [0] * RATE) * 7))
    said = answer["text"].lower().count("ask not")
    check(answer["audio_ms"] == 84000 and said >= 6, f"84 s in pieces: 'ask not' {said} of 7 times")
    error = run("stt", "--language", "en", write_wav(folder / "longer.wav", [100] * (121 * RATE)), status=1)
    check("longer than 120 s" in error, f"limit: {error}")


def voice(jfk):
    stretches = [tuple(map(float, line.split())) for line in run("vad", jfk).splitlines()]
    check(len(stretches) == 4 and abs(stretches[0][0] - 0.35) < 0.2, f"vad: {stretches}")
    check(all(start < end for start, end in stretches), f"vad: {stretches}")
    (merged,) = run("vad", "--silence-ms", "2000", jfk).splitlines()
    check(float(merged.split()[1]) > 10, f"one stretch with longer silence: {merged}")
    found = json.loads(run("vad", "--json", "--padding-ms", "100", jfk))["speech"]
    check(abs(found[1]["start"] - found[1]["padded"] - 0.1) < 0.001, f"padding: {found[1]}")


def bad_files(folder, jfk):
    whisper = run("models", "path", "whisper-base").strip()
    cut = folder / "cut.bin"
    with open(whisper, "rb") as f:
        cut.write_bytes(f.read(3_000_000))
    error = run("stt", "--language", "zh", "--model", str(cut), jfk, status=1)
    check("cut short inside a tensor" in error, f"whisper file cut short: {error}")
    cut.write_bytes(random.randbytes(100_000))
    error = run("stt", "--language", "zh", "--model", str(cut), jfk, status=1)
    check("not a ggml file" in error, f"no whisper file: {error}")
    error = run("stt", "--language", "en", str(cut.with_suffix(".none")), status=1)
    check("cut.none" in error, f"no such recording: {error}")
    broken = folder / "broken.wav"
    broken.write_bytes(b"RIFF" + random.randbytes(100))
    check("not a WAV file" in run("stt", "--language", "en", str(broken), status=1), "broken WAV")
    check(run("stt", "--language", "english", jfk, status=1) != "", "unknown language")
    check("usage" in run("stt", "--nonsense", status=2), "unknown option")


def user_folders(folder, jfk):
    """Models that are none, in the layouts that we know: an error in words, and the program lives."""
    kinds = {"sense-voice-x": ["model.int8.onnx"], "paraformer-x": ["model.onnx"],
             "streaming-paraformer-x": ["encoder.onnx", "decoder.onnx"],
             "zipformer-x": ["encoder-1.onnx", "decoder-1.onnx", "joiner-1.onnx"]}
    for name, files in kinds.items():
        bogus = folder / name
        bogus.mkdir()
        (bogus / "tokens.txt").write_text("<blk> 0\na 1\n", encoding="utf-8")
        for file in files:
            (bogus / file).write_bytes(random.randbytes(20_000))
        error = run("stt", "--user", str(bogus), jfk, status=1)
        check(str(bogus) in error and ("cannot be loaded" in error or "crashed" in error), f"{name}: {error}")
    error = run("stt", "--user", str(folder / "nowhere"), jfk, status=1)
    check("no such folder" in error, f"no folder: {error}")
    (folder / "empty").mkdir()
    check("no tokens.txt" in run("stt", "--user", str(folder / "empty"), jfk, status=1), "empty folder")


def recordings(audio):
    """Error rates, languages and noises of the shared recordings."""
    groups = stt_accuracy.read_manifest(audio, set())
    limits = {"en": 0.03, "zh": 0.20, "zh-synthetic": 0.20}
    for group, limit in limits.items():
        result = stt_accuracy.measure(PROGRAM, group, groups[group], auto=False)
        print(f"{group}: {100 * result['rate']:.1f} % of {result['units']} {result['unit']}, {result['clips']} clips, "
              f"{result['cpu_per_second']:.3f} s of CPU a second")
        check(result["rate"] <= limit, f"{group}: {100 * result['rate']:.1f} %, limit {100 * limit} %")
    for group, language in (("en", "en"), ("zh", "zh")):
        # A run each, so that each is found out for itself.
        found = side_by_side(lambda clip: stt(clip[0])[0]["language"], groups[group])
        wrong = len(found) - found.count(language)
        check(wrong == 0, f"language of {group}: {wrong} of {len(groups[group])} wrong")
    noises = sorted(str(p) for p in audio.glob("noise/*.wav"))
    for language in ("en", "zh"):
        heard = [answer["text"] for answer in stt("--language", language, *noises) if answer["text"]]
        check(not heard, f"noise in {language}: {heard}")


def main():
    jfk = run("models", "path", "jfk-recording").strip()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        live(jfk)  # alone, as it is in real time
        parts = ((english, jfk), (word_times, jfk), (voice, jfk), (nothing_said, folder), (long_sound, folder, jfk),
                 (bad_files, folder, jfk), (user_folders, folder, jfk),
                 (signs_of_listening, folder, jfk))
        side_by_side(lambda part: part[0](*part[1:]), parts)
    audio = stt_accuracy.default_audio()
    if audio:
        recordings(audio)
    else:
        skip("the recordings of ../shared/audio are not here")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
