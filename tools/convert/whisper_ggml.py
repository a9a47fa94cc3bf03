#!/usr/bin/env python3
"""whisper_ggml.py -- turns a CTranslate2 Whisper model into the file that whisper.cpp reads.

    whisper_ggml.py [--type f16|q8_0] --out FILE MODEL... VOCABULARY.txt

MODEL is CTranslate2's model.bin, whole or in parts (joined in the order given).

The CTranslate2 file is a version, a spec name, a revision, then named tensors (name, rank, dimensions, type
number, bytes) and aliases. The ggml file is a magic, eleven sizes, the mel filter bank, the vocabulary, then
named tensors with their dimensions in reverse order; matrices are f16 (or q8_0), the rest is f32.
Both layouts were read from the programs that write them. The mel filters are computed (Slaney's scale, area
normalised) and are not part of either package.

Needs numpy. Writes to FILE.part and renames it, so a broken run leaves no half file. Exit status 1 and one line
on stderr when the input is not what it should be.
"""
import argparse
import os
import struct
import sys

import numpy as np

GGML_MAGIC = 0x67676D6C
TYPE_F32, TYPE_F16, TYPE_Q8_0 = 0, 1, 8
FILE_TYPE = {"f16": 1, "q8_0": 2 * 1000 + 7}  # quantisation version 2, "mostly q8_0"
SAMPLE_RATE_HZ, FFT_SIZE, MEL_COUNT = 16000, 400, 80
NUMPY_TYPE = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
KEEP_F32 = ("encoder.conv1.bias", "encoder.conv2.bias", "encoder.positional_embedding",
            "decoder.positional_embedding")


class BadModel(Exception):
    """The input is not a Whisper model in the layout that this program knows."""


def read_ctranslate2(paths):
    """Returns {name: numpy array} of a CTranslate2 WhisperSpec file, which may come in parts."""
    data, path, at = b"", paths[0], 0
    for part in paths:
        with open(part, "rb") as f:
            data += f.read()

    def take(fmt):
        nonlocal at
        value = struct.unpack_from("<" + fmt, data, at)[0]
        at += struct.calcsize("<" + fmt)
        return value

    def text():
        nonlocal at
        size = take("H")
        at += size
        return data[at - size:at].rstrip(b"\0").decode("utf-8")

    try:
        version, spec, _revision = take("I"), text(), take("I")
        if version != 6 or spec != "WhisperSpec":
            raise BadModel(f"{path}: version {version} of '{spec}', wanted version 6 of 'WhisperSpec'")
        tensors = {}
        for _ in range(take("I")):
            name = text()
            shape = [take("I") for _ in range(take("B"))]
            number = take("B")
            size = take("I")
            if at + size > len(data) or number not in NUMPY_TYPE:
                raise BadModel(f"{path}: tensor '{name}' is cut short or of unknown type {number}")
            tensors[name] = np.frombuffer(data, NUMPY_TYPE[number], size // np.dtype(NUMPY_TYPE[number]).itemsize,
                                          at).reshape(shape)
            at += size
    except (struct.error, UnicodeDecodeError, ValueError) as err:
        raise BadModel(f"{path}: not a CTranslate2 model ({err})") from err
    return tensors


def block_names(ours, theirs, cross):
    """Yields (ggml name, CTranslate2 name, part, of how many parts) for one transformer block."""
    groups = [("attn", "self_attention", [("linear_0", ("query", "key", "value")), ("linear_1", ("out",))])]
    if cross:
        groups.append(("cross_attn", "attention",
                       [("linear_0", ("query",)), ("linear_1", ("key", "value")), ("linear_2", ("out",))]))
    for group, source, linears in groups:
        for linear, parts in linears:
            for i, part in enumerate(parts):
                yield f"{ours}.{group}.{part}.weight", f"{theirs}/{source}/{linear}/weight", i, len(parts)
                if part != "key":  # Whisper's keys have no bias; CTranslate2 stores zeros
                    yield f"{ours}.{group}.{part}.bias", f"{theirs}/{source}/{linear}/bias", i, len(parts)
        yield f"{ours}.{group}_ln.weight", f"{theirs}/{source}/layer_norm/gamma", 0, 1
        yield f"{ours}.{group}_ln.bias", f"{theirs}/{source}/layer_norm/beta", 0, 1
    for ggml, ours_of in (("mlp.0", "linear_0"), ("mlp.2", "linear_1")):
        for kind in ("weight", "bias"):
            yield f"{ours}.{ggml}.{kind}", f"{theirs}/ffn/{ours_of}/{kind}", 0, 1
    yield f"{ours}.mlp_ln.weight", f"{theirs}/ffn/layer_norm/gamma", 0, 1
    yield f"{ours}.mlp_ln.bias", f"{theirs}/ffn/layer_norm/beta", 0, 1


def all_names(encoder_layers, decoder_layers):
    """Yields every tensor of the ggml file: (ggml name, CTranslate2 name, part, of how many parts)."""
    yield "encoder.positional_embedding", "encoder/position_encodings/encodings", 0, 1
    for conv in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            yield f"encoder.{conv}.{kind}", f"encoder/{conv}/{kind}", 0, 1
    for i in range(encoder_layers):
        yield from block_names(f"encoder.blocks.{i}", f"encoder/layer_{i}", cross=False)
    yield "encoder.ln_post.weight", "encoder/layer_norm/gamma", 0, 1
    yield "encoder.ln_post.bias", "encoder/layer_norm/beta", 0, 1
    yield "decoder.positional_embedding", "decoder/position_encodings/encodings", 0, 1
    yield "decoder.token_embedding.weight", "decoder/embeddings/weight", 0, 1
    for i in range(decoder_layers):
        yield from block_names(f"decoder.blocks.{i}", f"decoder/layer_{i}", cross=True)
    yield "decoder.ln.weight", "decoder/layer_norm/gamma", 0, 1
    yield "decoder.ln.bias", "decoder/layer_norm/beta", 0, 1


def mel_filters():
    """Slaney's mel filter bank, 80 x 201, each triangle of area 1 (the values Whisper was trained with)."""
    step, log_step, knee_hz = 200.0 / 3, np.log(6.4) / 27.0, 1000.0

    def to_hz(mel):
        linear = mel * step
        return np.where(mel >= knee_hz / step, knee_hz * np.exp(log_step * (mel - knee_hz / step)), linear)

    top = knee_hz / step + np.log(SAMPLE_RATE_HZ / 2 / knee_hz) / log_step
    edges = to_hz(np.linspace(0.0, top, MEL_COUNT + 2))
    bins = np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SIZE // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return bank.astype("<f4")


def read_vocabulary(path):
    """Returns the tokens before <|endoftext|> as byte strings (GPT-2's printable letters undone)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    byte_of = {chr(b): b for b in printable}
    spare = 256
    for b in range(256):
        if b not in printable:
            byte_of[chr(spare)] = b
            spare += 1
    tokens = []
    with open(path, encoding="utf-8") as f:
        for line in f.read().split("\n"):
            if line == "<|endoftext|>":
                return tokens
            try:
                tokens.append(bytes(byte_of[c] for c in line))
            except KeyError as err:
                raise BadModel(f"{path}: line {len(tokens) + 1} holds the unknown letter {err}") from err
    raise BadModel(f"{path}: no <|endoftext|> line")


def quantise_q8_0(values):
    """ggml's q8_0: blocks of 32, an f16 scale and 32 signed bytes."""
    blocks = values.astype(np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1) / np.float32(127)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    scaled = blocks * inverse[:, None]
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))  # roundf: halves go away from 0
    out = np.empty(len(blocks), dtype=[("d", "<f2"), ("q", "i1", 32)])
    out["d"] = scale
    out["q"] = rounded
    return out.tobytes()


def write_tensor(out, name, values, file_type):
    """Writes one tensor with its header, in the type that whisper.cpp expects for it."""
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        values = values.reshape(-1, 1)
    if values.ndim < 2 or name in KEEP_F32:
        kind, data = TYPE_F32, values.astype("<f4").tobytes()
    elif values.ndim == 2 and file_type == "q8_0":
        kind, data = TYPE_Q8_0, quantise_q8_0(values)
    else:
        kind, data = TYPE_F16, values.astype("<f2").tobytes()
    encoded = name.encode()
    out.write(struct.pack("<3i", values.ndim, len(encoded), kind))
    out.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)))
    out.write(encoded)
    out.write(data)


def convert(models, vocabulary, path, file_type):
    """Writes the whole ggml file."""
    tensors, model = read_ctranslate2(models), models[0]
    tokens = read_vocabulary(vocabulary)

    def layers(side):
        return len({n.split("/")[1] for n in tensors if n.startswith(side + "/layer_") and "layer_norm" not in
                    n.split("/")[1]})

    try:
        vocabulary_size, width = tensors["decoder/embeddings/weight"].shape
        audio_context = tensors["encoder/position_encodings/encodings"].shape[0]
        text_context = tensors["decoder/position_encodings/encodings"].shape[0]
        mels = tensors["encoder/conv1/weight"].shape[1]
        heads = [int(tensors[side + "/num_heads"]) for side in ("encoder", "decoder")]
    except KeyError as err:
        raise BadModel(f"{model}: tensor {err} is missing") from err
    if mels != MEL_COUNT:
        raise BadModel(f"{model}: {mels} mel bands, only {MEL_COUNT} are supported")
    part = path + ".part"
    with open(part, "wb") as out:
        out.write(struct.pack("<12i", GGML_MAGIC, vocabulary_size, audio_context, width, heads[0], layers("encoder"),
                              text_context, width, heads[1], layers("decoder"), mels, FILE_TYPE[file_type]))
        bank = mel_filters()
        out.write(struct.pack("<2i", *bank.shape) + bank.tobytes())
        out.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            out.write(struct.pack("<i", len(token)) + token)
        for name, source, index, count in all_names(layers("encoder"), layers("decoder")):
            if source not in tensors:
                raise BadModel(f"{model}: tensor '{source}' is missing")
            write_tensor(out, name, np.split(tensors[source], count, axis=0)[index], file_type)
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description="CTranslate2 Whisper model to whisper.cpp's ggml file")
    parser.add_argument("--out", required=True, help="the ggml file to write")
    parser.add_argument("--type", choices=sorted(FILE_TYPE), default="q8_0")
    parser.add_argument("inputs", nargs="+", help="model.bin or its parts in order, and vocabulary.txt")
    args = parser.parse_args()
    models = [path for path in args.inputs if not path.endswith(".txt")]
    vocabularies = [path for path in args.inputs if path.endswith(".txt")]
    if not models or len(vocabularies) != 1:
        sys.exit("whisper_ggml: one vocabulary.txt and at least one model file are needed")
    try:
        convert(models, vocabularies[0], args.out, args.type)
    except (BadModel, OSError) as err:
        if os.path.exists(args.out + ".part"):
            os.remove(args.out + ".part")
        sys.exit(f"whisper_ggml: {err}")


if __name__ == "__main__":
    main()
