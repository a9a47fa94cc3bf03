#!/usr/bin/env python3
"""speaker_accuracy.py -- the table "Speaker lock" of docs/TUNING.md: how often the first speaker is refused, and others are
not.

    make build/release/tests/bench/speaker_lock && ~/.cache/parley/venv-test/bin/python tests/bench/speaker_accuracy.py

Clips of ../shared/audio (--audio), human and "unconfirmed" ones; their silences taken out. Each speaker with enough sound is
learnt from his first 4 s; the rest of his clips, and all clips of everybody else, are cut into utterances of a length and
judged by the program, which runs the model and the rule of vad/lock.h. Conditions: as it is; a recorded noise 20 or 10 dB below;
a recorded room with the noise at 20 dB. The same condition holds for learning and judging. One speaker's clips of one corpus
share a microphone, as the utterances of a session do.
"""
import argparse
import pathlib
import struct
import subprocess
import wave

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HZ, ENROL = 16000, 4 * 16000
GROUPS = ("sb_spk1", "sb_spk2", "conv_turn", "lj002")  # several clips of one speaker


def load(path):
    with wave.open(str(path)) as f:
        return np.frombuffer(f.readframes(f.getnframes()), "<i2").astype(float)


def voiced(x):
    """Frames within 35 dB of the loudest, and 120 ms around them."""
    frames = x[:len(x) // 320 * 320].reshape(-1, 320)
    level = 10 * np.log10((frames ** 2).mean(axis=1) + 1)
    return frames[np.convolve(level > level.max() - 35, np.ones(13), "same") > 0].reshape(-1)


def speakers(audio):
    found = {}
    for folder in ("en", "zh"):
        for path in sorted((audio / folder).glob("*.wav")):
            name = next((g for g in GROUPS if path.stem.startswith(g)), path.stem)
            found.setdefault(name, []).append(voiced(load(path)))
    return found


class Scene:
    def __init__(self, audio, name):
        self.name = name
        self.noise = load(audio / "noise/sb_noise1.wav")
        self.room = load(audio / "rir/sb_rir1.wav")[:HZ // 2]
        self.chance = np.random.default_rng(1)

    def __call__(self, x):
        if self.name == "as it is":
            return x
        if self.name == "room":
            x = np.convolve(x, self.room / np.sqrt((self.room ** 2).sum()))[:len(x)]
        below = 10 if self.name == "noise 10 dB" else 20
        at = self.chance.integers(0, len(self.noise) - len(x))
        noise = self.noise[at:at + len(x)]
        return x + noise * np.sqrt((x ** 2).mean() / (noise ** 2).mean()) * 10 ** (-below / 20)


def record(kind, x=()):
    return struct.pack("<ii", kind, len(x)) + np.clip(np.asarray(x), -32768, 32767).astype("<i2").tobytes()


def measure(people, scene, seconds):
    """[(same speaker, verdict, likeness, cpu_ms)]"""
    size, feed, same = int(seconds * HZ), [], []
    for name, clips in people.items():
        sound = np.concatenate(clips)
        if len(sound) < ENROL + size:
            continue
        feed += [record(0), record(1, scene(sound[:ENROL]))]
        for other, their in people.items():
            rest = [sound[ENROL:]] if other == name else their
            for clip in rest:
                for at in range(0, len(clip) - size + 1, size):
                    feed.append(record(2, scene(clip[at:at + size])))
                    same.append(other == name)
    done = subprocess.run([str(ROOT / "build/release/tests/bench/speaker_lock")], input=b"".join(feed), capture_output=True,
                          check=True, cwd=ROOT)
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    assert len(rows) == len(same), (len(rows), len(same))
    return [(own, row[0], float(row[1]), float(row[3])) for own, row in zip(same, rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--audio", type=pathlib.Path, default=ROOT.parent / "shared/audio")
    args = parser.parse_args()
    people = speakers(args.audio)
    print("| voice in the utterance | condition | the speaker: refused | in doubt | others: refused | CPU of an utterance |")
    print("|---|---|---|---|---|---|")
    for seconds in (1, 1.5, 2, 4):
        for name in ("as it is", "noise 20 dB", "noise 10 dB", "room"):
            rows = measure(people, Scene(args.audio, name), seconds)
            own, others = [r for r in rows if r[0]], [r for r in rows if not r[0]]
            refused = sum(r[1] == "other" for r in own)
            doubt = sum(r[1] == "unknown" for r in own)
            right = sum(r[1] == "other" for r in others)
            print(f"| {seconds} s | {name} | {refused} of {len(own)} | {doubt} | {right} of {len(others)} "
                  f"({100 * right / len(others):.0f} %) | {np.median([r[3] for r in rows]):.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
