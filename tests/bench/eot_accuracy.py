#!/usr/bin/env python3
"""eot_accuracy.py -- how often `semantic_vad` would cut in, and how often it would answer late.

    eot_accuracy.py [--parley PROGRAM] [--audio DIR] [--json FILE] [--cases FILE] [--verbose]

Each case is the beginning of a recording up to a pause, with the recording's own background noise behind it. The model
is asked at 100, 200, 400 and 800 ms of the pause, the words are those that `parley stt` finds 200 ms into it. The rows:

  true end    the end of a whole sentence or turn
  natural     a pause of 0.3 to 1.2 s (in VAD terms) inside a recording, its own length
  lengthened  a gap of 60 ms or more between words, made 0.3 to 1.2 s long with the recording's noise
  spliced     a pause of 0.3 to 1.2 s put between two words that were spoken without one
  synthetic   the same in synthesised speech, and its clips that stop in mid-sentence

Lengthened and spliced pauses do not sound like hesitation, so they prove no figure about people; synthetic ones less.
For a pause: "committed" is a commit before the person goes on; "cut-in" is a commit whose answer (not before --answer-ms
of silence, the time that the engines need at best) sounds before that. For an end: "late" is a commit after --late-ms.
Ways to decide: "model" alone (its newest answer, 0.5); "words" alone (200 ms when complete, else 500 ms, never when open);
"again": both by src/eot/turn.h with the model's newest answer; "fused": the same with the answer that heard 100 ms of the
pause and no more, which is what the floor does.
"""
import argparse
import csv
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import wave

import numpy as np

RATE = 16000
ASKS_MS = (100, 200, 400, 800)
NEVER = 10**9
WORDLESS_MS = 1300
PAUSES_S = (0.3, 0.45, 0.6, 0.8, 1.0, 1.2)
MOST = 80  # lengthened and spliced pauses of one kind and language
FRAGMENTS = ("lj002-0020", "lj002-0035", "wenet_mid", "libri_1995")  # these end in mid-sentence, or may


def read(path):
    with wave.open(str(path)) as f:
        assert f.getframerate() == RATE and f.getnchannels() == 1 and f.getsampwidth() == 2, path
        return np.frombuffer(f.readframes(f.getnframes()), np.int16)


def write(path, sound):
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1), f.setsampwidth(2), f.setframerate(RATE)
        f.writeframes(sound.astype(np.int16).tobytes())


def energy_db(sound, frame=160):
    frames = sound[:len(sound) // frame * frame].astype(float).reshape(-1, frame)
    return 10 * np.log10(np.mean(frames**2, axis=1) + 1)


def noise_like(sound, seconds):
    """The quietest 100 ms of a recording, mirrored to and fro."""
    level = np.convolve(energy_db(sound), np.ones(10) / 10, "valid")
    at = int(np.argmin(level)) * 160
    piece = sound[at:at + 1600]
    loop = np.concatenate([piece, piece[::-1]])
    return np.tile(loop, int(seconds * RATE / len(loop)) + 1)[:int(seconds * RATE)]


class Program:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *args, text=None):
        done = subprocess.run([self.path, *map(str, args)], capture_output=True, text=True, input=text, check=False)
        if done.returncode:
            raise RuntimeError(f"parley {args[0]}: {done.stderr.strip()}")
        return done.stdout

    def lines(self, *args):
        return [json.loads(line) for line in self.run(*args, "--json").splitlines()]

    def speech(self, path):
        """[(start, end)] in seconds; silences from 96 ms count."""
        return [(s["start"], s["end"]) for s in self.lines("vad", "--silence-ms", 96, path)[0]["speech"]]


def word_gaps(program, path, language):
    """Seconds at which a word ends, as the recogniser places them."""
    words = [json.loads(line) for line in program.run("stt", "--words", "--language", language, "--json", path).splitlines()]
    words = [w for w in words if re.search(r"\w", w["text"])]
    return [a["at_ms"] / 1000 for a, b in zip(words, words[1:]) if b["text"].startswith(" ") or language == "zh"]


def quiet_gaps(sound, start, end):
    """[(from, to)] in samples: at least 60 ms that are 25 dB below the speech, between start and end."""
    level = energy_db(sound)
    quiet = level < np.percentile(level, 90) - 25
    gaps, begin = [], None
    for i, is_quiet in enumerate(list(quiet) + [False]):
        if is_quiet and begin is None:
            begin = i
        elif not is_quiet and begin is not None:
            if i - begin >= 6 and begin * 160 > (start + 0.4) * RATE and i * 160 < (end - 0.2) * RATE:
                gaps.append((begin * 160, i * 160))
            begin = None
    return gaps


def cases_of(program, path, row, counts):
    """Yields (kind, name, sound up to the pause, length of the pause or None for an end)."""
    sound, language = read(path), "en" if row["lang"] == "en" else "zh"
    synthetic = row["lang"] == "zh-synthetic"
    speech = program.speech(path)
    if not speech:
        return
    start, end = speech[0][0], speech[-1][1]
    name = pathlib.Path(path).stem
    kind = (lambda k: f"synthetic {k}") if synthetic else (lambda k: k)
    cut = synthetic and not row["transcript"].rstrip("”\"").endswith(("。", "？"))
    if cut:
        yield kind("cut"), name, sound[:int(end * RATE)], 1.2
    elif not name.startswith(FRAGMENTS):
        yield kind("true end"), name, sound[:int(end * RATE)], None
    pauses = [(a[1], b[0] - a[1]) for a, b in zip(speech, speech[1:])]
    for at, length in pauses:
        if 0.3 <= length <= 1.2:
            yield kind("natural"), f"{name}@{at:.2f}", sound[:int(at * RATE)], length
    used = [at for at, length in pauses if length >= 0.3]
    for a, b in quiet_gaps(sound, start, end):
        if any(abs(a / RATE - at) < 0.25 for at in used):
            continue
        used.append(a / RATE)
        key = (kind("lengthened"), language)
        counts[key] = counts.get(key, 0) + 1
        yield key[0], f"{name}@{a / RATE:.2f}", sound[:a + 160], PAUSES_S[counts[key] % len(PAUSES_S)]
    level = energy_db(sound)
    for at in word_gaps(program, path, language):
        if at < start + 0.4 or at > end - 0.3 or any(abs(at - x) < 0.2 for x in used):
            continue
        first = max(0, int((at - 0.08) * 100))
        frame = first + int(np.argmin(level[first:first + 16]))
        key = (kind("spliced"), language)
        counts[key] = counts.get(key, 0) + 1
        yield key[0], f"{name}@{frame / 100:.2f}", sound[:frame * 160], PAUSES_S[counts[key] % len(PAUSES_S)]


def thin(cases):
    """At most MOST of a kind and language, evenly spread."""
    groups = {}
    for case in cases:
        groups.setdefault((case["kind"], case["language"]), []).append(case)
    kept = []
    for group in groups.values():
        step = max(1.0, len(group) / MOST)
        kept += [group[int(i * step)] for i in range(min(len(group), MOST))]
    return kept


def ask(program, cases):
    """Fills in permille at each of ASKS_MS, the text, and what the rules say."""
    paths = []
    for i, case in enumerate(cases):
        for ms in ASKS_MS:
            paths.append(program.folder / f"{i}_{ms}.wav")
            write(paths[-1], case["sound"][:case["cut"] + ms * RATE // 1000])
    answers = []
    for i in range(0, len(paths), 400):
        answers += program.lines("eot", "--end", *paths[i:i + 400])
    for i, case in enumerate(cases):
        four = answers[i * len(ASKS_MS):(i + 1) * len(ASKS_MS)]
        case["permille"] = [a["pauses"][0]["permille"] for a in four]
        case["work_us"] = [a["pauses"][0]["work_us"] for a in four]
    for language in {c["language"] for c in cases}:
        mine = [i for i, c in enumerate(cases) if c["language"] == language]
        for answer in program.lines("stt", "--language", language, *(program.folder / f"{i}_200.wav" for i in mine)):
            cases[int(pathlib.Path(answer["file"]).stem.split("_")[0])]["text"] = answer["text"]


def rule(program, cases):
    lines = [f"{p}\t{c['text']}" for c in cases for p in c["permille"]]
    rows = program.run("eot", "--rules", text="\n".join(lines) + "\n").splitlines()
    for i, case in enumerate(cases):
        mine = [r.split(" ") for r in rows[i * len(ASKS_MS):(i + 1) * len(ASKS_MS)]]
        case["flags"] = mine[0][1:]
        case["silence_ms"] = [NEVER if m[0] == "-" else int(m[0]) for m in mine]
        if not case["text"]:  # a sound without words waits longer, by the floor
            case["silence_ms"] = [max(ms, WORDLESS_MS) for ms in case["silence_ms"]]


def commit_ms(case, way):
    """Silence at which the turn is committed; NEVER: only at the cap."""
    if way == "words":
        return 200 if "complete" in case["flags"] else NEVER if "open_ended" in case["flags"] else 500
    if way == "fused":
        return max(ASKS_MS[0], case["silence_ms"][0])
    for asked, permille, needs in zip(ASKS_MS, case["permille"], case["silence_ms"]):
        if way == "model":
            needs = 200 if permille >= 500 else NEVER
        following = 2 * asked  # the next answer replaces this one
        at = max(asked, needs)
        if at < following or asked == ASKS_MS[-1] and at < NEVER:
            return at
    return NEVER


def summarise(cases, way, answer_ms, late_ms):
    table = {}
    for case in cases:
        at = commit_ms(case, way)
        row = table.setdefault((case["language"], case["kind"]), {"of": 0, "committed": 0, "bad": 0, "at": []})
        row["of"] += 1
        row["at"].append(at)
        if case["pause_s"] is None:
            bad = at > late_ms
        else:
            row["committed"] += at < case["pause_s"] * 1000
            bad = max(at, answer_ms) < case["pause_s"] * 1000
        row["bad"] += bad
        case[f"bad_{way}"] = bool(bad)
    return table


def show(cases, args):
    print(f"{'language':9} {'row':21} {'way':6} {'of':>4} {'committed':>10} {'cut-in / late':>14}  median ms")
    ways = {way: summarise(cases, way, args.answer_ms, args.late_ms) for way in ("model", "words", "again", "fused")}
    for key in sorted(ways["fused"], key=lambda k: (k[0], k[1].startswith("synthetic"), k[1])):
        for way, table in ways.items():
            row = table[key]
            ends = key[1].endswith("true end")
            rate = f"{row['bad']} ({100 * row['bad'] / row['of']:.0f} %)"
            middle = sorted(row["at"])[len(row["at"]) // 2] if ends else ""
            print(f"{key[0]:9} {key[1]:21} {way:6} {row['of']:4} {'' if ends else row['committed']:>10} {rate:>14}  {middle}")
    works = sorted(w for c in cases for w in c["work_us"])
    print(f"work an ask: median {works[len(works) // 2] / 1000:.0f} ms, p95 {works[len(works) * 95 // 100] / 1000:.0f} ms")


def default_audio():
    root = pathlib.Path(__file__).resolve().parents[2]
    for folder in (root / "../shared/audio", root / "../../shared/audio"):
        if (folder / "manifest.tsv").is_file():
            return folder.resolve()
    return None


def make_cases(program, folder):
    cases, counts = [], {}
    with open(folder / "manifest.tsv", encoding="utf-8", newline="") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)
                if r["file"].split("/")[0] in ("en", "zh", "zh_synthetic")]
    for row in rows:
        whole = read(folder / row["file"])
        noise = noise_like(whole, 1.0)
        for kind, name, sound, pause_s in cases_of(program, folder / row["file"], row, counts):
            cases.append({"kind": kind, "name": name, "language": "en" if row["lang"] == "en" else "zh",
                          "sound": np.concatenate([sound, noise]), "cut": len(sound), "pause_s": pause_s})
    return thin(cases)


def main():
    parser = argparse.ArgumentParser(description="accuracy of the end of a turn")
    parser.add_argument("--parley", default="build/parley")
    parser.add_argument("--audio", type=pathlib.Path, default=default_audio())
    parser.add_argument("--answer-ms", type=int, default=500, help="earliest sound of an answer after the last word")
    parser.add_argument("--late-ms", type=int, default=1150, help="a commit later than this makes an answer late")
    parser.add_argument("--cases", type=pathlib.Path, help="keep the answers there, and use them when they are there")
    parser.add_argument("--verbose", action="store_true", help="print every case")
    args = parser.parse_args()
    if not args.audio or not (args.audio / "manifest.tsv").is_file():
        print("eot_accuracy: no recordings here (--audio DIR with a manifest.tsv)")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        program = Program(args.parley, pathlib.Path(folder))
        if args.cases and args.cases.is_file():
            cases = json.loads(args.cases.read_text(encoding="utf-8"))
        else:
            cases = make_cases(program, args.audio)
            ask(program, cases)
            for case in cases:
                del case["sound"]
            if args.cases:
                args.cases.write_text(json.dumps(cases, ensure_ascii=False), encoding="utf-8")
        rule(program, cases)
    show(cases, args)
    for case in cases if args.verbose else ():
        print(f"{case['kind']:20} {case['pause_s'] or 0:4} {case['permille']} {case['flags']} "
              f"{'BAD ' if case['bad_fused'] else ''}{case['name']}: {case['text']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
