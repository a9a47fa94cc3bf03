#!/usr/bin/env python3
"""aecmos.py -- how the echo control sounds: AECMOS on the scenes of echo_scenes.c (docs/TUNING.md, "Echo").

    python3 -m venv /tmp/bench && /tmp/bench/bin/pip install --require-hashes -r tools/requirements-bench.txt
    build/parley models fetch aecmos && make MODE=release echo-scenes
    /tmp/bench/bin/python tests/bench/aecmos.py [--audio DIR] [--seconds 140] [--kits aec3,speexdsp,off] [--delays 50,200,450,700]

AECMOS (Microsoft, MIT, PyPI speechmos) is a model that was trained on people's opinions: 1 to 5 for echo ("how annoying is
it?") and for everything else that the canceller did to the voice. It hears loudspeaker, microphone and what the canceller
made of it, 20 s each. The sound of a scene is cut into such pieces behind its first 20 s, in which the canceller learns;
"loudspeaker alone" has no person, in the other rows one speaks over the loudspeaker every 12 s. The server lets nobody
interrupt it, so that all rows have the same talk. The features are those of the package (mel power in dB of the loudest
cell), computed here without its libraries.
"""
import argparse
import os
import pathlib
import subprocess
import tempfile
import wave

import numpy

import echo_scenes

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RATE = 16000
FFT, HOP, MELS = 513, 256, 160
PIECE_S, LEARN_S, MARKER_ROWS = 20, 20, 20
HIDDEN = (4, 1, 64)


def mel_filters():
    """Triangles of area 1 on the scale of Slaney's Auditory Toolbox: linear to 1 kHz, then logarithmic."""
    step, knee, ratio = 200 / 3, 1000.0, numpy.log(6.4) / 27

    def to_mel(hz):
        return hz / step if hz < knee else knee / step + numpy.log(hz / knee) / ratio

    mels = numpy.linspace(0, to_mel(RATE / 2), MELS + 2)
    edges = numpy.where(mels < knee / step, mels * step, knee * numpy.exp(ratio * (mels - knee / step)))
    bins = numpy.arange(FFT // 2 + 1) * RATE / FFT
    low, mid, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (bins - low) / (mid - low), (high - bins) / (high - mid)
    return numpy.maximum(0, numpy.minimum(rise, fall)) * 2 / (high - low)


def features(samples, filters):
    """One row a hop: mel power in dB under the loudest cell, 80 dB at most, brought to about -1..1."""
    padded = numpy.pad(samples, FFT // 2)
    window = 0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(FFT) / FFT)
    frames = numpy.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
    power = numpy.abs(numpy.fft.rfft(frames * window, axis=1)) ** 2 @ filters.T
    level = 10 * numpy.log10(numpy.maximum(power, 1e-10))
    level -= level.max()
    return (numpy.maximum(level, -80) + 40) / 40


def score(session, filters, sounds, alone):
    """Echo and other degradation of one piece: (loudspeaker, microphone, cleaned)."""
    speaker, mic, clean = (features(sound, filters) for sound in sounds)
    zeros, ones = numpy.zeros((MARKER_ROWS, MELS)), numpy.ones((MARKER_ROWS, MELS))
    # The marker that the model was trained with: only the loudspeaker speaks, or both do.
    stack = [numpy.concatenate((speaker, ones, zeros)), numpy.concatenate((mic, zeros if alone else ones, zeros)),
             numpy.concatenate((clean, ones, zeros))]
    name = session.get_inputs()[0].name
    result = session.run([], {name: numpy.stack(stack)[None].astype(numpy.float32), "h0": numpy.zeros(HIDDEN, numpy.float32)})
    return float(result[0][0]), float(result[0][1])


def read(path):
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE and file.getnchannels() == 1
        return numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16) / 32768


def pieces(folder):
    sounds = [read(folder / f"scene-{name}.wav") for name in ("loudspeaker", "microphone", "cleaned")]
    length = min(map(len, sounds))
    for at in range(LEARN_S * RATE, length - PIECE_S * RATE + 1, PIECE_S * RATE):
        yield [sound[at:at + PIECE_S * RATE] for sound in sounds]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--audio", type=pathlib.Path, default=ROOT.parent / "shared/audio")
    parser.add_argument("--seconds", type=int, default=140)
    parser.add_argument("--kits", default="aec3,speexdsp,off")
    parser.add_argument("--delays", default="50,200,450,700")
    args = parser.parse_args()
    try:
        import onnxruntime
    except ImportError:
        parser.error("onnxruntime is missing: the head of this file says where from")
    model = subprocess.run([ROOT / "build/parley", "models", "path", "aecmos"], capture_output=True, text=True, check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.stdout.strip(), options, providers=["CPUExecutionProvider"])
    filters = mel_filters()
    print(f"load {os.getloadavg()[0]:.1f}; {args.seconds} s a run\n")
    print("| echo control | delay | loudspeaker alone: echo | other | with a person: echo | other | pieces of 20 s |")
    print("|---|---|---|---|---|---|---|")
    for kit in args.kits.split(","):
        for delay in args.delays.split(","):
            cells, count = [], 0
            for talk_over in (False, True):
                with tempfile.TemporaryDirectory() as name:
                    folder = pathlib.Path(name)
                    echo_scenes.run(args.audio, "sb_rir1", talk_over=talk_over, kit=kit, delay=delay, seconds=args.seconds,
                                    write=folder / "scene")
                    scores = numpy.array([score(session, filters, piece, not talk_over) for piece in pieces(folder)])
                cells += [f"{mean:.2f}" for mean in scores.mean(axis=0)]
                count += len(scores)
            print(f"| {kit} | {delay} ms | {' | '.join(cells)} | {count} |", flush=True)


if __name__ == "__main__":
    main()
