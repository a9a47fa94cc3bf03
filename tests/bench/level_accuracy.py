#!/usr/bin/env python3
"""level_accuracy.py -- what quiet microphones, hum and noise do to detector and recognisers, and the front of a session
against it (docs/TUNING.md, "Level").

    make MODE=release build/release/tests/bench/gain_bench
    level_accuracy.py [--audio DIR] [--levels 0,-20,-30,-40] [--hum -20] [--only levels,hum,noise]

levels  Every clip of DIR (../shared/audio, stt_accuracy.py says which rows count) is turned down and rounded to 16 bits
        again, as a microphone with too little gain does it: as it is then, turned up by as much as fits and a control may,
        30 dB, by somebody who knows the level beforehand, and through the gain control (tests/bench/gain_bench.c), which
        begins each clip knowing nothing.
hum     The same clips with 50 Hz and its first harmonics under them, as they are and through the high-pass.
noise   The noises of DIR, 20 s each, at their level and turned down: how often the detector takes one for voice. "Behind a
        sentence": a quiet clip goes before, so that the gain control has turned up what follows.
Printed is the voice that the detector finds, of what it finds in the clips as they were, and the error rates.
"""
import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import wave

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PARLEY = ROOT / "build/release/parley"
FRONT = ROOT / "build/release/tests/bench/gain_bench"
MODULE = ROOT / "build/release/lib/libparley_aec3.so"
RATE = 16000
GAIN_MAX_DB = 30
NOISE_S = 20
SENTENCE = "en/sb_spk1_snt1.wav"


def read(path):
    with wave.open(str(path)) as file:
        return numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16).astype(numpy.float64)


def write(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(numpy.clip(numpy.rint(samples), -32768, 32767).astype(numpy.int16).tobytes())


def front(paths, out=None, **stages):
    """What gain_bench says of each file."""
    command = [FRONT] + [word for name, value in stages.items() for word in (f"--{name}", str(value))] + (["--out", out] if out else [])
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def errors(folder):
    out = folder / "errors.json"
    subprocess.run([sys.executable, ROOT / "tests/bench/stt_accuracy.py", "--parley", PARLEY, "--audio", folder, "--json",
                    out], check=True, stdout=subprocess.DEVNULL)
    return " | ".join(f"{100 * group['rate']:.1f} % ({group['errors']} of {group['units']})"
                      for group in json.loads(out.read_text()))


class Clips:
    """The recordings of people at 16 kHz, and the rows of the manifest that belong to them."""

    def __init__(self, audio, folder):
        self.audio, self.folder = audio, folder
        lines = (audio / "manifest.tsv").read_text().splitlines()
        self.rows = lines[:1] + [line for line in lines if line.split("/")[0] in ("en", "zh")]
        self.files = [row["file"] for row in csv.DictReader(self.rows, delimiter="\t", quoting=csv.QUOTE_NONE)]
        self.sounds = {}
        for language in ("en", "zh"):
            out = folder / "whole" / language
            out.mkdir(parents=True)
            front([audio / file for file in self.files if file.startswith(language)], out)
        self.sounds = {file: read(folder / "whole" / file) for file in self.files}
        self.whole_s = self.voice_s(folder / "whole")

    def voice_s(self, folder, **stages):
        return sum(line["voice_s"] for line in front([folder / file for file in self.files], **stages))

    def row(self, name, change, **stages):
        """Writes the clips as `change` makes them, or what the stages make of that; a row of the table."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            before, after = pathlib.Path(place) / "in", pathlib.Path(place) / "out"
            for file in self.files:
                write(before / file, change(self.sounds[file]))
            for language in ("en", "zh"):
                (after / language).mkdir(parents=True)
                front([before / file for file in self.files if file.startswith(language)], after / language, **stages)
            (after / "manifest.tsv").write_text("\n".join(self.rows) + "\n")
            voice = 100 * self.voice_s(before, **stages) / self.whole_s
            print(f"| {name} | {voice:.0f} % | {errors(after)} |", flush=True)


def levels(clips, wanted):
    print("| | voice found | WER | CER |\n|---|---|---|---|")
    for level in wanted:
        def down(sound, ratio=10 ** (level / 20)):
            return numpy.rint(sound * ratio)

        def best(sound, down=down):
            quiet = down(sound)
            return quiet * min(10 ** (GAIN_MAX_DB / 20), 30000 / max(1.0, numpy.abs(quiet).max()))

        clips.row(f"{level} dB", down)
        if level:
            clips.row(f"{level} dB, the best that could be done", best)
        clips.row(f"{level} dB, gain control", down, gain=MODULE)


def hum(clips, level_db):
    def mixed(sound):
        time = numpy.arange(len(sound)) / RATE
        tones = sum(share * numpy.sin(2 * numpy.pi * hz * time) for hz, share in ((50, 1.0), (100, 0.3), (150, 0.15)))
        return sound + tones * 32768 * 10 ** (level_db / 20) / numpy.sqrt((tones ** 2).mean())

    print("\n| | voice found | WER | CER |\n|---|---|---|---|")
    clips.row("as recorded", lambda sound: sound)
    clips.row("as recorded, high-pass", lambda sound: sound, highpass=1)
    clips.row(f"hum of {level_db} dBFS", mixed)
    clips.row(f"hum of {level_db} dBFS, high-pass", mixed, highpass=1)
    clips.row(f"hum of {level_db} dBFS, gain control", mixed, gain=MODULE)
    clips.row(f"hum of {level_db} dBFS, high-pass and gain control", mixed, highpass=1, gain=MODULE)


def noise(clips, wanted):
    print("\n| noises | voice begins | with gain control | high-pass too |\n|---|---|---|---|")
    names = sorted(path for kind in ("noise", "overlap") for path in (clips.audio / kind).glob("*.wav") if "ami" not in path.name)
    place = clips.folder / "noise"
    (place / "whole").mkdir(parents=True)
    front(names, place / "whole")
    sentence = clips.sounds[SENTENCE]
    for level in wanted:
        for behind in (False, True):
            paths = []
            for name in names:
                sound = numpy.resize(read(place / "whole" / name.name), NOISE_S * RATE)
                before = sentence if behind else numpy.zeros(0)
                paths.append(place / name.name)
                write(paths[-1], numpy.rint(numpy.concatenate((before, sound)) * 10 ** (level / 20)))
            skip = len(sentence) / RATE + 0.5 if behind else 0
            cells = [sum(at >= skip for line in front(paths, **stages) for at in line["starts"])
                     for stages in ({}, {"gain": MODULE}, {"highpass": 1, "gain": MODULE})]
            print(f"| {level} dB{', behind a sentence' if behind else ''} | {' | '.join(map(str, cells))} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--audio", type=pathlib.Path, default=ROOT.parent / "shared/audio")
    parser.add_argument("--levels", default="0,-20,-30,-40")
    parser.add_argument("--hum", type=float, default=-20)
    parser.add_argument("--only", default="levels,hum,noise")
    args = parser.parse_args()
    wanted = [int(level) for level in args.levels.split(",")]
    with tempfile.TemporaryDirectory() as name:
        clips = Clips(args.audio.resolve(), pathlib.Path(name))
        print(f"load {os.getloadavg()[0]:.1f}; {len(clips.files)} clips\n")
        if "levels" in args.only:
            levels(clips, wanted)
        if "hum" in args.only:
            hum(clips, args.hum)
        if "noise" in args.only:
            noise(clips, wanted)


if __name__ == "__main__":
    main()
