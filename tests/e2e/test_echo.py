#!/usr/bin/env python3
"""test_echo.py -- a loudspeaker beside the microphone: the server does not interrupt itself, and a person still can.

    test_echo.py     prints "N passed, N failed" last

Runs build/release/tests/bench/echo_scenes (virtual time, real voice detector, floor and echo control) with a room
and a noise that are made here, the server's voice as the loudspeaker and the recording of set-up as the person.
"""
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import wave

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCENES = ROOT / "build/release/tests/bench/echo_scenes"
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402  (our own file, found by the line above)

TALK = ("The harbour was quiet when the last boat came home. Three men stood on the pier and counted the lights. "
        "Nobody spoke about the storm of the night before, and the oldest of them lit his pipe and smiled.")
HZ = 16000
counts = {True: 0, False: 0}


def check(good, what):
    counts[bool(good)] += 1
    if not good:
        print(f"FAIL  {what}", flush=True)


def write(path, samples):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(HZ)
        out.writeframes(struct.pack(f"<{len(samples)}h", *(int(max(-32768, min(32767, s))) for s in samples)))
    return str(path)


def sounds(folder):
    """The loudspeaker's talk, three seconds of a person, a room of 0.15 s and a quiet fan."""
    chance = random.Random(5)
    room = [30000.0] + [9000.0 * chance.gauss(0, 1) * 10 ** (-3 * i / (0.3 * HZ)) * (i > 40) for i in range(3200)]
    level, fan = 0.0, []
    for _ in range(5 * HZ):
        level += 0.3 * (chance.gauss(0, 1000) - level)
        fan.append(level)
    with wave.open(str(harness.jfk())) as f:
        person = struct.unpack(f"<{3 * HZ}h", f.readframes(3 * HZ))
    talk = folder / "talk.wav"
    harness.synthesise(TALK, talk)
    return {"--talk": str(talk), "--room": write(folder / "room.wav", room), "--noise": write(folder / "fan.wav", fan)}, \
        write(folder / "person.wav", person)


def scene(options, **more):
    command = [str(SCENES), *(word for pair in options.items() for word in pair)]
    for name, value in more.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, cwd=ROOT)
    if done.returncode:
        check(False, f"{more}: exit status {done.returncode}: {done.stderr.strip()[-300:]}")
        return None
    result = json.loads(done.stdout.strip().splitlines()[-1])
    print(result, flush=True)
    return result


def main():
    built = subprocess.run(["make", "-s", "--no-print-directory", "MODE=release", "echo-scenes"], cwd=ROOT, check=False)
    check(built.returncode == 0, "echo_scenes does not build")
    with tempfile.TemporaryDirectory() as folder:
        options, person = sounds(pathlib.Path(folder))
        # Without echo control the server hears itself: the scene is one that can go wrong.
        off = scene(options, kit="off", seconds=40, delay=200)
        check(off and off["self_interruptions"] >= 5, f"an echo without control interrupts: {off}")
        for delay in (100, 500):
            alone = scene(options, kit="aec3", seconds=60, delay=delay)
            check(alone and alone["answers"] >= 2, f"the server talks: {alone}")
            # One in sixty seconds of the loudest echo is let pass here; the table of TUNING.md has the figures.
            check(alone and alone["self_interruptions"] <= 1, f"delay {delay}: the server interrupts itself: {alone}")
        # This person begins softly, so what counts is that most are noticed at all: one that is not has 99,999 ms.
        both = scene(options, kit="aec3", seconds=100, delay=200, echo_db=-6, person=person)
        check(both and both["persons"] >= 4, f"a person speaks: {both}")
        check(both and both["median_ms"] < 3000, f"a person over the loudspeaker is not noticed: {both}")
    print(f"{counts[True]} passed, {counts[False]} failed")
    sys.exit(counts[False] != 0)


if __name__ == "__main__":
    main()
