#!/usr/bin/env python3
"""level_accuracy.py -- does a gain control help? What detector and recognisers make of quiet recordings.

    level_accuracy.py [--audio DIR] [--levels 0,-20,-30,-40]

Every clip of DIR (../shared/audio, stt_accuracy.py says which rows count) is turned down and rounded to 16 bits again, as
a microphone with too little gain does it, and once more turned up by as much as a control may, 30 dB, without clipping:
the best that one could do, as it knows the level beforehand. Printed is the voice that the detector finds, of what it
finds in the clip as it was, and the error rates of stt_accuracy.py.
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
GAIN_MAX_DB = 30


def read(path):
    with wave.open(str(path)) as file:
        return numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16).astype(numpy.float64), file.getparams()


def write(path, samples, params):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams(params)
        file.writeframes(numpy.clip(numpy.rint(samples), -32768, 32767).astype(numpy.int16).tobytes())


def gain(samples, most_db):
    """As much as is allowed, and as fits."""
    peak = max(1.0, numpy.abs(samples).max())
    return min(10 ** (most_db / 20), 30000 / peak)


def voice_s(folder, files):
    done = subprocess.run([PARLEY, "vad", "--json", *(folder / name for name in files)], capture_output=True, text=True,
                          check=True)
    return sum(stretch["end"] - stretch["start"] for line in done.stdout.splitlines() if line
               for stretch in json.loads(line)["speech"])


def errors(folder):
    out = folder / "errors.json"
    subprocess.run([sys.executable, ROOT / "tests/bench/stt_accuracy.py", "--parley", PARLEY, "--audio", folder, "--json",
                    out], check=True, stdout=subprocess.DEVNULL)
    return ", ".join(f"{group['group']} {100 * group['rate']:.1f} % of {group['units']}" for group in json.loads(out.read_text()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--audio", type=pathlib.Path, default=ROOT.parent / "shared/audio")
    parser.add_argument("--levels", default="0,-20,-30,-40")
    args = parser.parse_args()
    manifest = (args.audio / "manifest.tsv").read_text()
    rows = csv.DictReader(manifest.splitlines(), delimiter="\t")
    files = [row["file"] for row in rows if row["file"].split("/")[0] in ("en", "zh")]
    print(f"load {os.getloadavg()[0]:.1f}; {len(files)} clips\n\n| | voice found | errors |\n|---|---|---|")
    whole = voice_s(args.audio, files)
    for level in map(int, args.levels.split(",")):
        for most_db in (0, GAIN_MAX_DB) if level else (0,):
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                (folder / "manifest.tsv").write_text(
                    "\n".join(line for line in manifest.splitlines() if line.split("/")[0] in ("en", "zh")
                              or line.startswith("file")) + "\n")
                for file in files:
                    samples, params = read(args.audio / file)
                    quiet = numpy.rint(samples * 10 ** (level / 20))
                    write(folder / file, quiet * (gain(quiet, most_db) if most_db else 1.0), params)
                print(f"| {level} dB{f', up by {most_db} dB' if most_db else ''} | "
                      f"{100 * voice_s(folder, files) / whole:.0f} % | {errors(folder)} |", flush=True)


if __name__ == "__main__":
    main()
