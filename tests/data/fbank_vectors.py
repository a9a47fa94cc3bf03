#!/usr/bin/env python3
"""Writes tests/data/fbank_vectors.f32: what tests/unit/test_fbank.c expects of dsp/fbank.c.

The features are computed here from their definition, in double precision with numpy: 1 s of the test's own
signal (digital silence, noise and a tone, all from integers), windows of 400 samples every 160, mean out, pre-emphasis
0.97, Hann's window to the power of 0.85, 512 points, power, 80 triangles evenly spaced in mels from 20 Hz to 8 kHz, natural
logarithm of at least 1. Every 7th row is kept in float32. The same definition was compared with the library of PyPI senko
0.2.2 (libfbank_extractor.so) on a recording: 8e-4 apart at most, its mean over time taken out.
"""
import pathlib

import numpy as np

SAMPLES, WINDOW, HOP, POINTS, BANDS, KEEP = 16000, 400, 160, 512, 80, 7


def test_signal():
    """The same numbers as make_signal of test_fbank.c."""
    signal, state = np.zeros(SAMPLES, np.int64), 1
    for i in range(SAMPLES):
        state = (state * 1103515245 + 12345) % 2**31
        if i < SAMPLES // 4:
            continue
        signal[i] = ((state >> 16) - 16384) // 16 * (i // 3200 % 3) + (i * 37) % 800 * 8 - 3200
    return signal.astype(np.float64)


def mel(hz):
    return 1127 * np.log(1 + hz / 700)


def bank():
    low = mel(20)
    step = (mel(8000) - low) / (BANDS + 1)
    at = (mel(np.arange(POINTS // 2) * 16000 / POINTS) - low) / step
    return np.stack([np.clip(np.minimum(at - i, 2 - (at - i)), 0, None) for i in range(BANDS)])


def features(signal):
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))) ** 0.85
    frames = np.stack([signal[a:a + WINDOW] for a in range(0, len(signal) - WINDOW + 1, HOP)])
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(frames * window, POINTS))[:, :-1] ** 2
    return np.log(np.maximum(power @ bank().T, 1))


if __name__ == "__main__":
    features(test_signal())[::KEEP].astype("<f4").tofile(pathlib.Path(__file__).with_suffix(".f32"))
