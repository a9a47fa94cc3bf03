#!/usr/bin/env python3
"""Speaks the cases of the text table and reads them back with our own recogniser.

    tests/e2e/text_readback.py [--parley build/parley] [--cases FILE] [--every N] [--below 0.8]

What was heard is put through the same text for speech, so that "3 dollars" and "$3" count as equal,
and compared with the table's spoken form letter by letter, spaces and pause marks left out. Prints
every case under --below and the share of letters that agree in each language; fails when it is under
its limit, or when a case makes no sound. The limits leave room for what a recogniser cannot
know (names, single letters, homophones); the words themselves are checked by tests/unit/test_text.c.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import wave

PAUSES = " ,.?!;:，。？！；：、"
LIMITS = {"en": 0.80, "zh": 0.75}


def unescape(text):
    """The table's escapes, to bytes."""
    def value(match):
        kind, digits = match[1][0], match[1][1:]
        if kind == "x":
            return bytes([int(digits, 16)])
        if kind in "uU":
            return chr(int(digits, 16)).encode()
        return {"n": b"\n", "t": b"\t", "r": b"\r"}.get(kind, kind.encode())
    out, at = b"", 0
    for match in re.finditer(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", text):
        out += text[at:match.start()].encode() + value(match)
        at = match.end()
    return out + text[at:].encode()


def read_cases(path):
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            lang, written, spoken = line.split("\t")
            if spoken:
                yield lang, written, spoken


def run(arguments, data=b""):
    return subprocess.run(arguments, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)


def plain(text):
    return "".join(c for c in text.lower() if c not in PAUSES)


def distance(wanted, heard):
    """Edit distance in letters, by the usual table."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(wanted, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def speak(parley, lang, cases, folder):
    """All cases in one go, a blank line between; yields (cases, WAV file) for each stretch of sound.

    A stretch is one case, or a few where the cutter joined short ones into one clause."""
    texts = [unescape(written).decode(errors="replace") for _, written, _ in cases]
    sound = folder / f"{lang}.wav"
    done = run([parley, "tts", "--lang", lang, "--json", "--out", str(sound)],
               "\n\n".join(texts).encode())
    if done.returncode:
        sys.exit(f"parley tts: {done.stderr.decode(errors='replace').strip()[-400:]}")
    ends, at = [], 0
    for text in texts:
        at += len(text.encode()) + 2
        ends.append(at)
    clauses = [json.loads(line) for line in done.stdout.decode().splitlines()]
    with wave.open(str(sound)) as wav:
        rate, samples = wav.getframerate(), wav.readframes(wav.getnframes())
    first = byte = 0
    begin = end = 0.0
    for clause in clauses:
        byte += len(clause["text"].encode())
        end += clause["seconds"]
        last = first
        while last < len(ends) and ends[last] - 2 <= byte:
            last += 1
        # The clause ends where case last - 1 does, in the blank line behind it or at the very end.
        if last == first or not ends[last - 1] - 2 <= byte <= ends[last - 1]:
            continue
        out = folder / f"{lang}{first:04}.wav"
        with wave.open(str(out), "wb") as wav:
            wav.setparams((1, 2, rate, 0, "NONE", "not compressed"))
            wav.writeframes(samples[2 * int(begin * rate):2 * int(end * rate)])
        yield cases[first:last], out, end - begin
        first, begin = last, end
    if byte != at - 2:
        sys.exit(f"parley tts: {byte} bytes came back of {at - 2}")


def listen(parley, lang, files):
    heard = {}
    for start in range(0, len(files), 40):
        part = files[start:start + 40]
        done = run([parley, "stt", "--language", lang, "--json", *map(str, part)])
        lines = done.stdout.decode().splitlines()
        if done.returncode or len(lines) != len(part):
            sys.exit(f"parley stt: {done.stderr.decode(errors='replace').strip()[-400:]}")
        for file, line in zip(part, lines):
            heard[file] = json.loads(line)["text"]
    return heard


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parley", default="build/parley")
    parser.add_argument("--cases", type=pathlib.Path, default="tests/data/text_cases.tsv")
    parser.add_argument("--every", type=int, default=1, help="only each N-th case")
    parser.add_argument("--below", type=float, default=0.8, help="print cases under this")
    options = parser.parse_args()
    cases = list(read_cases(options.cases))[::options.every]
    failed = passed = 0
    with tempfile.TemporaryDirectory() as name:
        for lang, limit in LIMITS.items():
            mine = [case for case in cases if case[0] == lang]
            groups = list(speak(options.parley, lang, mine, pathlib.Path(name)))
            if not groups:
                continue
            files = [file for _, file, _ in groups]
            heard = listen(options.parley, lang, files)
            lines = "".join(heard[f].replace("\n", " ") + "\n" for f in files)
            spoken = run([options.parley, "tts", "--spoken", "--lang", lang], lines.encode())
            scores, wrong, letters = [], 0, 0
            for (group, file, seconds), said in zip(groups, spoken.stdout.decode().split("\n")):
                wanted = " ".join(case[2] for case in group)
                errors = distance(plain(wanted), plain(said))
                score = max(0.0, 1 - errors / max(1, len(plain(wanted))))
                scores.append(score)
                wrong += errors
                letters += len(plain(wanted))
                failed += seconds < 0.1
                if score < options.below:
                    print(f"{score:.2f} {' / '.join(case[1] for case in group)}\n"
                          f"     want {wanted}\n     have {said}   ({heard[file]})")
            share = 1 - wrong / letters
            good = sum(score >= 0.95 for score in scores)
            print(f"{lang}: {len(scores)} stretches of {len(mine)} cases, {letters} letters: "
                  f"{share:.3f} of them agree (limit {limit}), a stretch's mean "
                  f"{statistics.mean(scores):.3f}, median {statistics.median(scores):.3f}, "
                  f"{good} at 0.95 or more")
            failed += share < limit
            passed += share >= limit
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
