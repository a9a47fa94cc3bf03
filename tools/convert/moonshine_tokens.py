#!/usr/bin/env python3
"""moonshine_tokens.py -- turns Moonshine's tokenizer.bin into the tokens.txt that sherpa-onnx reads.

    moonshine_tokens.py --out tokens.txt tokenizer.bin

tokenizer.bin is a run of byte strings, each after its length: one byte, or two when the first is 128 or more
(next * 128 + first - 128); length 0 is a token that stands for nothing. sherpa-onnx wants one line a token:
the bytes in base64, a tab, the id.

Standard library only. Writes to FILE.part and renames it. Exit status 1 and one line on stderr on a broken file.
"""
import argparse
import base64
import os
import sys

TOKENS_MIN = 1000  # tiny-en has 32768; fewer than this is a file cut short or of another kind


def read_tokens(data):
    """Returns the list of byte strings in tokenizer.bin; ValueError on a file that ends inside a token."""
    tokens, at = [], 0
    while at < len(data):
        size = data[at]
        at += 1
        if size >= 128:
            if at == len(data):
                raise ValueError("ends inside a length")
            size = data[at] * 128 + size - 128
            at += 1
        if at + size > len(data):
            raise ValueError(f"ends inside token {len(tokens)}")
        tokens.append(data[at:at + size])
        at += size
    if len(tokens) < TOKENS_MIN:
        raise ValueError(f"holds {len(tokens)} tokens, expected at least {TOKENS_MIN}")
    return tokens


def main():
    parser = argparse.ArgumentParser(description="Moonshine's tokenizer.bin to sherpa-onnx's tokens.txt")
    parser.add_argument("tokenizer", help="tokenizer.bin")
    parser.add_argument("--out", required=True, help="the tokens.txt to write")
    args = parser.parse_args()
    try:
        with open(args.tokenizer, "rb") as f:
            tokens = read_tokens(f.read())
        with open(args.out + ".part", "w", encoding="ascii") as out:
            for i, token in enumerate(tokens):
                out.write(f"{base64.b64encode(token).decode()}\t{i}\n")
        os.replace(args.out + ".part", args.out)
    except (OSError, ValueError) as err:
        sys.exit(f"moonshine_tokens: {args.tokenizer}: {err}")


if __name__ == "__main__":
    main()
