#!/usr/bin/env python3
"""Build what the English voice needs besides oov.onnx, from the wheel of hibari-tts 0.2.1.

  en-us.tables, en-gb.tables   lexicons, tagger, tokenizer's special cases, alphabet of the network for
                               unknown words: one file an accent (src/tts/table.h maps it)
  hibari-marks.onnx            the voice, with its durations (frames a phoneme) as one more output

usage: en_tables.py --out FOLDER [--words FILE] WHEEL
  --words FILE   keep only lexicon words of FILE and the tagger's small part (for test data)

A table file is little endian: 8 bytes of magic, u32 size of the file, u32 flags (1: British), then
{u32 offset, u32 count} a section in the order of SECTIONS. A section is a sorted map: u32 offset of
each key and one more, u32 offset of each value and one more (both from the file's start), bytes.
Lexicon values are phonemes, or \\1tag\\2phonemes… (\\3 for none) where they depend on the tag. A
word's tag is one byte, weights are {u8 tag, i16 tenths} each, alphabets are u32 code points.
"""
import argparse
import gzip
import json
import os
import struct
import zipfile

MAGIC = b"PRLEN01\n"
SECTIONS = ["gold", "silver", "special", "tagdict", "vocab", "weights", "misc"]
DURATIONS = "/Clip_output_0"  # float, half frames of 600 samples a phoneme
FLOAT = 1                     # of onnx.TensorProto.DataType


def encode(entry):
    if isinstance(entry, str):
        return entry.encode()
    out = b""
    for tag, phonemes in entry.items():
        out += b"\x01" + tag.encode() + b"\x02" + (b"\x03" if phonemes is None else phonemes.encode())
    return out


def section(table, start):
    """Bytes of a map that begins at file offset `start`."""
    keys = sorted(table)
    heads = (len(keys) + 1) * 8
    key_offsets, value_offsets, blob = [], [], b"".join(keys)
    at = start + heads
    for key in keys:
        key_offsets.append(at)
        at += len(key)
    key_offsets.append(at)
    for key in keys:
        value_offsets.append(at)
        at += len(table[key])
    value_offsets.append(at)
    blob += b"".join(table[key] for key in keys)
    body = struct.pack(f"<{2 * len(keys) + 2}I", *key_offsets, *value_offsets) + blob
    return body + b"\0" * (-len(body) % 4)


def tables(load, accent, words):
    gold, silver = (load(f"lexicon_{accent}_{n}.json.gz") for n in ("gold", "silver"))
    tagger = load("tagger.json.gz")
    oov = load("oov_gb.json" if accent == "gb" else "oov.json")
    tags = sorted(tagger["tags"])
    index = {tag: i for i, tag in enumerate(tags)}
    weights, tagdict, vocab = tagger["weights"], tagger["tagdict"], tagger["vocab"]
    if words is not None:
        gold, silver, tagdict = ({k: v for k, v in d.items() if k.lower() in words or len(k) == 1}
                                 for d in (gold, silver, tagdict))
        vocab = [w for w in vocab if w in words]
        weights = {k: v for k, v in weights.items() if k.split("=")[-1] in words or k[:2] in ("b", "i0", "i+", "t-", "sh")}
    maps = [
        {k.encode(): encode(v) for k, v in gold.items()},
        {k.encode(): encode(v) for k, v in silver.items()},
        {k.encode(): "\x1f".join(v).encode() for k, v in load("tokenizer_exceptions.json").items()},
        {k.encode(): bytes([index[v]]) for k, v in tagdict.items()},
        {k.encode(): b"" for k in vocab},
        {k.encode(): b"".join(struct.pack("<Bh", index[t], round(w * 10)) for t, w in v.items())
         for k, v in weights.items()},
        {b"tags": "\x1f".join(tags).encode(),
         b"oov_in": "".join(oov["in"]).encode("utf-32-le"),
         b"oov_out": "".join(oov["out"]).encode("utf-32-le"),
         b"oov_max": struct.pack("<I", oov["maxlen"])},
    ]
    at = len(MAGIC) + 8 + 8 * len(SECTIONS)
    bodies, heads = [], b""
    for table in maps:
        body = section(table, at)
        heads += struct.pack("<2I", at, len(table))
        bodies.append(body)
        at += len(body)
    return MAGIC + struct.pack("<2I", at, int(accent == "gb")) + heads + b"".join(bodies)


def varint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def with_durations(model):
    """Protocol buffers merge what follows: graph (7) gets one more output (12) with name and type."""
    if DURATIONS.encode() not in model:
        raise SystemExit(f"en_tables.py: hibari.onnx has no tensor {DURATIONS}: not version 0.2.1")
    kind = field(1, varint(1 << 3) + varint(FLOAT))  # TypeProto.tensor_type.elem_type
    return model + field(7, field(12, field(1, DURATIONS.encode()) + field(2, kind)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--words")
    parser.add_argument("wheel")
    args = parser.parse_args()
    words = None
    if args.words:
        with open(args.words, encoding="utf-8") as file:
            words = {w for w in file.read().lower().split()}
    with zipfile.ZipFile(args.wheel) as wheel:
        def load(name):
            data = wheel.read("hibari/assets/" + name)
            return json.loads(gzip.decompress(data) if name.endswith(".gz") else data)

        outputs = {"en-us.tables": tables(load, "us", words)}
        if words is None:
            outputs["en-gb.tables"] = tables(load, "gb", None)
            outputs["hibari-marks.onnx"] = with_durations(wheel.read("hibari/assets/hibari.onnx"))
    os.makedirs(args.out, exist_ok=True)
    for name, data in outputs.items():
        path = os.path.join(args.out, name)
        with open(path + ".part", "wb") as file:
            file.write(data)
        os.replace(path + ".part", path)
        print(f"{path}: {len(data)} bytes")


if __name__ == "__main__":
    main()
