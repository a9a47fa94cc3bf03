#!/usr/bin/env python3
"""Writes tests/data/mel_vectors.f32: what tests/unit/test_mel.c expects of dsp/mel.c.

The features are computed here from their definition, in double precision with numpy: 8 s of the test's own
signal (silence, then bursts of noise and two tones, all from integers), normalised, 25 ms windows of a periodic Hann
every 10 ms with mirrored ends, 80 bands of Slaney's scale with equal areas, log10, 8 decades, (x + 4) / 4.
Every 25th frame is kept, as rows of 80 bands in float32.
"""
import pathlib

import numpy as np

RATE, SAMPLES, WINDOW, HOP, BANDS, KEEP = 16000, 128000, 400, 160, 80, 25


def test_signal():
    """The same numbers as make_signal of test_mel.c."""
    signal, state = np.zeros(SAMPLES, np.int64), 1
    for i in range(SAMPLES):
        state = (state * 1103515245 + 12345) % 2**31
        if i < SAMPLES // 4:
            continue
        noise = (state >> 16) - 16384
        tone = ((i * 37) % 800) * 8 - 3200 + ((i * 211) % 640) * 4 - 1280
        signal[i] = noise * (i // 3200 % 5) // 16 + tone * (i // 1600 % 3) // 4
    return signal.astype(np.float32) / np.float32(32768)


def normalise(x):
    x = x.astype(np.float64)
    return ((x - x.mean()) / np.sqrt(x.var() + 1e-7)).astype(np.float32)


def hz_of_mel(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def bank():
    top = 15 + np.log(RATE / 2 / 1000) * 27 / np.log(6.4)
    corner = hz_of_mel(np.linspace(0, top, BANDS + 2))
    hz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    rows = []
    for low, mid, high in zip(corner, corner[1:], corner[2:]):
        rows.append(np.clip(np.minimum((hz - low) / (mid - low), (high - hz) / (high - mid)), 0, None) * 2 / (high - low))
    return np.array(rows)


def features(signal):
    padded = np.pad(signal.astype(np.float64), WINDOW // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    frames = np.stack([padded[t * HOP:t * HOP + WINDOW] for t in range(len(signal) // HOP)])
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    log = np.log10(np.maximum(power @ bank().T, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


if __name__ == "__main__":
    kept = features(normalise(test_signal()))[::KEEP]
    kept.astype("<f4").tofile(pathlib.Path(__file__).with_suffix(".f32"))
