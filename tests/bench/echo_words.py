#!/usr/bin/env python3
"""echo_words.py -- what a recogniser understands of people who speak over the loudspeaker (docs/TUNING.md, "Echo").

    make build/release/tests/bench/echo_scenes && tests/bench/echo_words.py
        [--audio DIR] [--seconds N] [--delays 200] [--rooms sb_rir1,sb_rir2] [--clip DB] [--verbose]

The scenes, persons and loudspeaker are those of echo_scenes.py; nobody can interrupt, so that every person speaks over
it. What echo control made of them is recognised by `parley stt`, and compared with what it understands of the recording
itself: only what echo and echo control cost counts. Persons in the first 15 s, in which the canceller learns, do not count.
"""
import argparse
import json
import pathlib
import tempfile
import wave

import echo_scenes
import stt_accuracy

LEARN_S, AROUND_S = 15, 0.3
SPLIT = {"en": stt_accuracy.english_words, "zh": stt_accuracy.chinese_characters}


def understood(path, language):
    return stt_accuracy.recognise(str(echo_scenes.ROOT / "build/release/parley"), language, [str(path)])[str(path)]["text"]


def length_s(path):
    with wave.open(str(path)) as f:
        return f.getnframes() / f.getframerate()


def pieces(cleaned, persons, audio, delay_ms, folder):
    """(name, file) of each person in what is left."""
    with wave.open(str(cleaned)) as f:
        rate, sound = f.getframerate(), f.readframes(f.getnframes())
    for i, person in enumerate(p for p in persons if "person" in p and p["at_s"] >= LEARN_S):
        name = echo_scenes.PERSONS[person["person"]]
        begin = person["at_s"] - AROUND_S
        end = person["at_s"] + length_s(audio / f"{name}.wav") + delay_ms / 1000 + AROUND_S
        path = folder / f"{i}.wav"
        with wave.open(str(path), "wb") as f:
            f.setnchannels(1)
            f.setsampwidth(2)
            f.setframerate(rate)
            f.writeframes(sound[int(begin * rate) * 2:int(end * rate) * 2])
        yield name, path


def measure(args, room, delay_ms, folder):
    """{language: [errors, of]}"""
    scene = {"kit": "aec3", "delay": delay_ms, "seconds": args.seconds, "echo_db": 0, "list": 1, "write": folder / "scene"}
    if args.clip is not None:
        scene["clip"] = args.clip
    persons = [json.loads(line) for line in echo_scenes.run_lines(args.audio, room, talk_over=True, **scene)]
    counts = {language: [0, 0] for language in SPLIT}
    for name, path in pieces(folder / "scene-cleaned.wav", persons, args.audio, delay_ms, folder):
        language = name[:2]
        wanted = SPLIT[language](understood(args.audio / f"{name}.wav", language))
        got = understood(path, language)
        errors = stt_accuracy.distance(wanted, SPLIT[language](got))
        counts[language] = [counts[language][0] + errors, counts[language][1] + len(wanted)]
        if args.verbose:
            print(f"  {name}: {errors} of {len(wanted)}: {got}")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--audio", type=pathlib.Path, default=echo_scenes.ROOT.parent / "shared/audio")
    parser.add_argument("--seconds", type=int, default=270)
    parser.add_argument("--delays", default="200")
    parser.add_argument("--rooms", default="sb_rir1,sb_rir2")
    parser.add_argument("--clip", type=float)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    print("| room | delay | English words misheard | Chinese characters misheard |\n|---|---|---|---|")
    for room in args.rooms.split(","):
        for delay in args.delays.split(","):
            with tempfile.TemporaryDirectory() as name:
                counts = measure(args, room, int(delay), pathlib.Path(name))
            shares = [f"{errors} of {of} ({100 * errors / of:.0f} %)" for errors, of in counts.values()]
            print(f"| {room} | {delay} ms | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
