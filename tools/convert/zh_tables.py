#!/usr/bin/env python3
"""Build the one binary table of the Chinese front end (src/tts/zh_g2p_table.h reads it).

Inputs, in any order, recognised by their names and taken as the package files themselves:
  jieba-0.42.1.tar.gz            words with frequencies; HMM for words that are not in the list
  pypinyin-0.55.0-*.whl          pinyin of 42 k characters and 47 k phrases
  misaki-0.9.4-*.whl             pinyin -> the phonemes that Kokoro v1.0 was trained on
  opencc_python_reimplemented-*  traditional -> simplified characters (without it: no such map)
Nothing of them is installed: they are unpacked into a temporary folder and imported from there.

usage: zh_tables.py --out OUT [--words FILE] IN...
  --words FILE   keep only the words and characters that occur in FILE (for test data)

The file is little endian: 8 bytes of magic, u32 size, u32 count of sections, f64 log(sum of all
frequencies), then {u32 offset, u32 count} a section, in the order of SECTIONS below. A reading is
code = syllable * 5 + tone - 1.
"""
import argparse
import importlib
import math
import os
import re
import struct
import sys
import tarfile
import tempfile
import types
import zipfile

MAGIC = b"PRLZH01\n"
SECTIONS = [
    "syllables",  # char[8], NUL padded, sorted: "zhuang", "lv"
    "kokoro",     # u8[8] a code: count, then token ids of Kokoro v1.0
    "baker",      # u8[2] a code: ids of initial and final in the Baker set, 0 none
    "chars",      # {u32 character, u32 simplified, u16 code, u16 0}, sorted
    "offsets",    # u32 a word + 1, into units
    "units",      # u16, UTF-16 of the words, which are sorted by it
    "freqs",      # u32 a word, 0: a phrase that segmentation does not know
    "phrases",    # u32 a word, index of its first code in codes, or NONE
    "codes",      # u16
    "emit_chars", # u16, sorted: characters that the HMM knows
    "emits",      # f32[4] each: log probability in states B, M, E, S
    "hmm",        # f32[20]: start[4], then transition [from][to]
]
NONE = 0xFFFFFFFF
NEVER = -3.14e30  # what jieba writes as -3.14e100, within the range of f32
STATES = "BMES"

# Kokoro v1.0 vocabulary, the part that Mandarin needs (hexgrad/Kokoro-82M, config.json).
KOKORO = {
    "ʦ": 20, "ʨ": 21, "ꭧ": 23, "a": 43, "e": 47, "f": 48, "h": 50, "i": 51, "j": 52, "k": 53,
    "l": 54, "m": 55, "n": 56, "o": 57, "p": 58, "s": 61, "t": 62, "u": 63, "w": 65, "x": 66,
    "y": 67, "ɔ": 76, "ɕ": 77, "ə": 83, "ɚ": 85, "ɛ": 86, "ɥ": 99, "ɨ": 101, "ŋ": 112, "ɻ": 126,
    "ʂ": 130, "ʊ": 135, "ɤ": 140, "ʰ": 162, "↓": 169, "→": 171, "↗": 172, "↘": 173,
}

BAKER_INITIALS = "^ b c ch d f g h j k l m n p q r s sh t x z zh".split()
BAKER_FINALS = (
    "a ai an ang ao e ei en eng er i ia ian iang iao ie ii iii in ing iong iou o ong ou u ua uai "
    "uan uang uei uen ueng uo v van ve vn"
).split()
BAKER_FIRST_INITIAL = 6  # after pad, sil, #0 .. #3
BAKER_FIRST_FINAL = BAKER_FIRST_INITIAL + len(BAKER_INITIALS)
# Interjections without a vowel, and one rare final: the nearest sound of the Baker set.
BAKER_ODD = {"m": ("m", "u"), "n": ("^", "en"), "ng": ("^", "en"), "hm": ("h", "en"),
             "hng": ("h", "eng"), "ê": ("^", "ei"), "yo": ("^", "iou"), "o": ("^", "o"),
             "lo": ("l", "o"), "er": ("^", "er"), "fiao": ("f", "iao"), "nun": ("n", "uen")}

# Readings that the phrase table lacks or has wrong; found by reading back test sentences.
PHRASES_OWN = {}


class OrderedSet(list):
    """Stands in for the package of that name."""

    def __init__(self, items=()):
        super().__init__(dict.fromkeys(items))


def unpack(paths, folder):
    for path in paths:
        name = os.path.basename(path)
        if name.endswith(".tar.gz"):
            with tarfile.open(path) as tar:
                keep = [m for m in tar.getmembers() if re.search(r"/jieba/(dict\.txt|finalseg/)", m.name)]
                for member in keep:
                    member.name = member.name.split("/", 1)[1]
                    tar.extract(member, folder, filter="data") if hasattr(tarfile, "data_filter") \
                        else tar.extract(member, folder)
        else:
            with zipfile.ZipFile(path) as wheel:
                for member in wheel.namelist():
                    if not re.search(r"\.(py|json|txt)$", member) or ".dist-info/" in member:
                        continue
                    if member.startswith("misaki/") and member != "misaki/transcription.py":
                        continue
                    wheel.extract(member, folder)
    open(os.path.join(folder, "misaki", "__init__.py"), "w").close()
    # transcription.py wants this package for one thing: a list without repetitions.
    module = types.ModuleType("ordered_set")
    module.OrderedSet = OrderedSet
    sys.modules["ordered_set"] = module
    sys.path.insert(0, folder)


def han(text):
    return all("\u4e00" <= c <= "\u9fff" for c in text)


class Readings:
    """Pinyin with tone marks -> code. Syllables are numbered once all are known."""

    def __init__(self):
        self.to_tone3 = importlib.import_module("pypinyin.contrib.tone_convert").to_tone3
        self.seen = {}
        self.syllables = []

    def split(self, marked):
        if marked not in self.seen:
            tone3 = self.to_tone3(marked, neutral_tone_with_five=True)
            self.seen[marked] = (tone3[:-1], int(tone3[-1]))
        return self.seen[marked]

    def number(self, all_marked):
        self.syllables = sorted({self.split(m)[0] for m in all_marked}, key=lambda s: s.encode())
        self.index = {s: i for i, s in enumerate(self.syllables)}

    def code(self, marked):
        syllable, tone = self.split(marked)
        return self.index[syllable] * 5 + tone - 1


def kokoro_ids(syllable, tone):
    ipa = importlib.import_module("misaki.transcription").pinyin_to_ipa(f"{syllable}{tone}")[0]
    text = "".join(ipa)
    for old, new in (("˧˩˧", "↓"), ("˧˥", "↗"), ("˥˩", "↘"), ("˥", "→"), ("ɻ̩", "ɨ"), ("ɹ̩", "ɨ"), ("̯", "")):
        text = text.replace(old, new)
    return [KOKORO[c] for c in text]


def baker_ids(syllable, tone):
    convert = importlib.import_module("pypinyin.contrib.tone_convert")
    if syllable in BAKER_ODD:
        initial, final = BAKER_ODD[syllable]
    else:
        initial = convert.to_initials(syllable, strict=True) or "^"
        final = convert.to_finals(syllable, strict=True, v_to_u=False).replace("ü", "v")
        if final == "i" and initial in ("z", "c", "s"):
            final = "ii"
        elif final == "i" and initial in ("zh", "ch", "sh", "r"):
            final = "iii"
        if final == "o" and initial in ("^",):
            final = "uo"
    if final not in BAKER_FINALS:
        sys.exit(f"zh_tables: no Baker final for {syllable} ({initial}, {final})")
    return (BAKER_FIRST_INITIAL + BAKER_INITIALS.index(initial),
            BAKER_FIRST_FINAL + BAKER_FINALS.index(final) * 5 + tone - 1)


def jieba_words(folder):
    """Han words -> frequency, and the sum over all words, as jieba computes them."""
    words, total = {}, 0
    with open(os.path.join(folder, "jieba", "dict.txt"), encoding="utf-8") as f:
        for line in f:
            word, freq = line.split(" ")[:2]
            total += int(freq)
            if han(word):
                words[word] = int(freq)
    return words, total


def simplified(folder):
    path = os.path.join(folder, "opencc", "dictionary", "TSCharacters.txt")
    table = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            for line in f:
                old, new = line.rstrip("\n").split("\t")[:2]
                # A character that is also its own simplified form (乾, 著, 藉) stays.
                if len(old) == 1 and old not in new.split(" "):
                    table[ord(old)] = ord(new.split(" ")[0])
    return table


def hmm(folder):
    namespaces = {}
    for name in ("prob_start", "prob_trans", "prob_emit"):
        scope = {}
        with open(os.path.join(folder, "jieba", "finalseg", name + ".py"), encoding="utf-8") as f:
            exec(f.read(), scope)  # a literal in a Python file, from a package pinned by its hash
        namespaces[name] = scope["P"]
    start = [max(namespaces["prob_start"][s], NEVER) for s in STATES]
    trans = [max(namespaces["prob_trans"][a].get(b, NEVER), NEVER) for a in STATES for b in STATES]
    emit = namespaces["prob_emit"]
    chars = sorted({ord(c) for s in STATES for c in emit[s] if ord(c) < 0x10000})
    emits = [max(emit[s].get(chr(c), NEVER), NEVER) for c in chars for s in STATES]
    return start + trans, chars, emits


def build(folder, only):
    constants = importlib.import_module("pypinyin.constants")
    chars = {cp: py.split(",")[0] for cp, py in constants.PINYIN_DICT.items()}
    phrases = {w: [p[0] for p in py] for w, py in constants.PHRASES_DICT.items() if han(w)}
    phrases.update({w: py.split() for w, py in PHRASES_OWN.items()})
    words, total = jieba_words(folder)
    simple = simplified(folder)
    hmm_table, emit_chars, emits = hmm(folder)
    if only is not None:
        keep = set(only) | {chr(simple[ord(c)]) for c in only if ord(c) in simple}
        text = only + "\n" + "".join(chr(simple.get(ord(c), ord(c))) for c in only)
        words = {w: f for w, f in words.items() if w in text}
        phrases = {w: p for w, p in phrases.items() if w in text}
        chars = {cp: p for cp, p in chars.items() if chr(cp) in keep}
        simple = {a: b for a, b in simple.items() if a in chars}
        rows = [i for i, c in enumerate(emit_chars) if chr(c) in keep]
        emits = [x for i in rows for x in emits[4 * i:4 * i + 4]]
        emit_chars = [emit_chars[i] for i in rows]

    readings = Readings()
    readings.number(set(constants.PINYIN_DICT[cp].split(",")[0] for cp in constants.PINYIN_DICT)
                    | {p for py in constants.PHRASES_DICT.values() for x in py for p in x}
                    | {p for py in PHRASES_OWN.values() for p in py.split()})
    all_words = sorted(set(words) | set(phrases), key=lambda w: [ord(c) for c in w])
    offsets, units, freqs, first, codes = [0], [], [], [], []
    for word in all_words:
        units += [ord(c) for c in word]
        offsets.append(len(units))
        freqs.append(words.get(word, 0))
        first.append(len(codes) if word in phrases else NONE)
        codes += [readings.code(p) for p in phrases.get(word, [])]
    kokoro, baker = bytearray(), bytearray()
    for syllable in readings.syllables:
        for tone in range(1, 6):
            ids = kokoro_ids(syllable, tone)
            kokoro += bytes([len(ids)] + ids).ljust(8, b"\0")
            baker += bytes(baker_ids(syllable, tone))
    char_rows = b"".join(struct.pack("<IIHH", cp, simple.get(cp, cp), readings.code(py), 0)
                         for cp, py in sorted(chars.items()))
    return total, {
        "syllables": (b"".join(s.encode().ljust(8, b"\0") for s in readings.syllables),
                      len(readings.syllables)),
        "kokoro": (bytes(kokoro), len(kokoro) // 8),
        "baker": (bytes(baker), len(baker) // 2),
        "chars": (char_rows, len(chars)),
        "offsets": (pack("I", offsets), len(offsets)),
        "units": (pack("H", units), len(units)),
        "freqs": (pack("I", freqs), len(freqs)),
        "phrases": (pack("I", first), len(first)),
        "codes": (pack("H", codes), len(codes)),
        "emit_chars": (pack("H", emit_chars), len(emit_chars)),
        "emits": (pack("f", emits), len(emits) // 4),
        "hmm": (pack("f", hmm_table), len(hmm_table)),
    }


def pack(form, numbers):
    return struct.pack(f"<{len(numbers)}{form}", *numbers)


def write(path, total, sections):
    head = len(MAGIC) + 8 + 8 + 8 * len(SECTIONS)
    at, table, body = head, b"", b""
    for name in SECTIONS:
        data, count = sections[name]
        pad = -(head + len(body)) % 8
        body += bytes(pad)
        at = head + len(body)
        table += struct.pack("<II", at, count)
        body += data
    header = MAGIC + struct.pack("<IId", head + len(body), len(SECTIONS), math.log(total)) + table
    with open(path + ".part", "wb") as f:
        f.write(header + body)
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--words")
    parser.add_argument("packages", nargs="+")
    args = parser.parse_args()
    only = None
    if args.words:
        with open(args.words, encoding="utf-8") as f:
            only = f.read()
    with tempfile.TemporaryDirectory() as folder:
        unpack(args.packages, folder)
        total, sections = build(folder, only)
    write(args.out, total, sections)


if __name__ == "__main__":
    main()
