#!/usr/bin/env python3
"""stt_accuracy.py -- word and character error rates of `parley stt` on recordings with transcripts.

    stt_accuracy.py [--parley PROGRAM] [--audio DIR] [--auto] [--json FILE] [--verbose] [--far FILE,FILE]

DIR holds manifest.tsv (file, lang, seconds, transcript, source, licence, voice, reference). Only rows whose
reference is the corpus's or the source's own count; Chinese is counted in characters, English in words. Rows of
synthesised speech are a group of their own, and so are the clips named by --far (far-field microphones).
Every figure is printed with its number of clips and words or characters, the time of the recogniser
(CPU seconds of the whole process a second of sound, one thread) and the errors themselves with --verbose.

Normalisation, on both sides: lower case; punctuation dropped; English digits read as words (ordinals, years as
pairs); Chinese digits as characters; Latin letters within Chinese count one each. Nothing else is forgiven.

Without --auto each group is recognised in its language; with --auto the language is found out for each clip.
"""
import argparse
import csv
import json
import pathlib
import re
import subprocess
import sys
import unicodedata

ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen").split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
            "twelve": "twelfth"}
CHINESE_DIGITS = "零一二三四五六七八九"
GROUPS = {"en": "English, human", "zh": "Chinese", "zh-far": "Chinese, far-field",
          "zh-synthetic": "Chinese, synthesised"}


def number_words(n):
    """0..9999 in English words; four digits from 1100 on are read as a year."""
    if n < 20:
        return [ONES[n]]
    if n < 100:
        return [TENS[n // 10]] + ([ONES[n % 10]] if n % 10 else [])
    if n < 1000:
        return [ONES[n // 100], "hundred"] + (number_words(n % 100) if n % 100 else [])
    if 1100 <= n < 2000 and n % 100 >= 10:
        return number_words(n // 100) + number_words(n % 100)
    return number_words(n // 1000) + ["thousand"] + (number_words(n % 1000) if n % 1000 else [])


def ordinal(words):
    last = words[-1]
    last = ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return words[:-1] + [last]


def english_words(text):
    words = []
    for word in re.sub(r"[^a-z0-9' ]", " ", text.lower().replace("’", "'")).split():
        match = re.fullmatch(r"(\d{1,4})(st|nd|rd|th)?", word)
        if not match:
            words.append(word.strip("'"))
        else:
            read = number_words(int(match[1]))
            words += ordinal(read) if match[2] else read
    return [w for w in words if w]


def chinese_number(match):
    """1..99 as it is read (15: 十五), longer ones digit by digit."""
    digits = match[0]
    if len(digits) > 2 or digits.startswith("0"):
        return "".join(CHINESE_DIGITS[int(d)] for d in digits)
    n = int(digits)
    tens, ones = divmod(n, 10)
    return (("" if tens == 1 else CHINESE_DIGITS[tens]) + "十" if tens else "") + \
        (CHINESE_DIGITS[ones] if ones or not tens else "")


def chinese_characters(text):
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"\d+", chinese_number, text)
    return [c for c in text if unicodedata.category(c)[0] in "LN"]


def distance(wanted, got):
    row = list(range(len(got) + 1))
    for i, a in enumerate(wanted, 1):
        before, row[0] = row[:], i
        for j, b in enumerate(got, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
    return row[-1]


def read_manifest(folder, far):
    """{group: [(path, transcript, seconds)]} of the rows that count."""
    groups = {}
    with open(folder / "manifest.tsv", encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            lang, name = row["lang"], row["file"]
            if not row["transcript"] or row["reference"] in ("none", "-") or name.split("/")[0] not in (
                    "en", "zh", "zh_synthetic"):
                continue
            group = "zh-far" if lang == "zh" and name in far else lang
            groups.setdefault(group, []).append((str(folder / name), row["transcript"], float(row["seconds"])))
    return groups


def recognise(parley, language, paths):
    """{path: answer} of one run of parley stt."""
    command = [parley, "stt", "--json", "--language", language, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:5])} …: {done.stderr.strip()}")
    return {answer["file"]: answer for answer in map(json.loads, done.stdout.splitlines())}


def measure(parley, group, clips, auto):
    """One group's figures as a dict, with the single clips under 'clips'."""
    english = group == "en"
    split = english_words if english else chinese_characters
    if auto:  # one stream a clip, so that each is identified for itself
        answers = {}
        for path, _, _ in clips:
            answers.update(recognise(parley, "auto", [path]))
    else:
        answers = recognise(parley, "en" if english else "zh", [path for path, _, _ in clips])
    rows, errors, units, cpu_us, seconds, wrong_language = [], 0, 0, 0, 0.0, 0
    for path, transcript, length in clips:
        answer, wanted = answers[path], split(transcript)
        failed = distance(wanted, split(answer["text"]))
        rows.append({"file": pathlib.Path(path).name, "errors": failed, "of": len(wanted), "text": answer["text"],
                     "wanted": transcript, "cpu_ms": answer["cpu_us"] // 1000, "seconds": length})
        errors, units, cpu_us, seconds = errors + failed, units + len(wanted), cpu_us + answer["cpu_us"], seconds + length
        wrong_language += answer["language"] != ("en" if english else "zh")
    return {"group": group, "clips": len(clips), "units": units, "errors": errors, "rate": errors / units,
            "unit": "words" if english else "characters", "cpu_per_second": cpu_us / 1e6 / seconds,
            "seconds": round(seconds, 2), "wrong_language": wrong_language, "rows": rows,
            "engines": sorted({answer["engine"] for answer in answers.values()})}


def default_audio():
    root = pathlib.Path(__file__).resolve().parents[2]
    for folder in (root / "../shared/audio", root / "../../shared/audio"):
        if (folder / "manifest.tsv").is_file():
            return folder.resolve()
    return None


def main():
    parser = argparse.ArgumentParser(description="error rates of parley stt")
    parser.add_argument("--parley", default="build/parley")
    parser.add_argument("--audio", type=pathlib.Path, default=default_audio())
    parser.add_argument("--auto", action="store_true", help="find the language out")
    parser.add_argument("--far", default="", help="files (as in the manifest) counted as far-field")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there")
    parser.add_argument("--verbose", action="store_true", help="print every clip")
    args = parser.parse_args()
    if not args.audio or not (args.audio / "manifest.tsv").is_file():
        print("stt_accuracy: no recordings here (--audio DIR with a manifest.tsv)")
        return 2
    results = []
    for group, clips in read_manifest(args.audio, set(args.far.split(","))).items():
        result = measure(args.parley, group, clips, args.auto)
        results.append(result)
        rate = "WER" if result["unit"] == "words" else "CER"
        print(f"{GROUPS.get(group, group)}: {rate} {100 * result['rate']:.1f} % ({result['errors']} of {result['units']} "
              f"{result['unit']}, {result['clips']} clips, {result['seconds']} s; {'+'.join(result['engines'])}; "
              f"{result['cpu_per_second']:.3f} s of CPU a second of sound"
              + (f"; language wrong {result['wrong_language']} times" if args.auto else "") + ")")
        for row in result["rows"]:
            if args.verbose or row["errors"] and not args.json:
                print(f"  {row['errors']:2} of {row['of']:3}  {row['cpu_ms']:5} ms  {row['file']}: {row['text']}"
                      + (f"   <- {row['wanted']}" if row["errors"] else ""))
    if args.json:
        args.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
