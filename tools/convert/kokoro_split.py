#!/usr/bin/env python3
"""Cut the Kokoro model in two where text becomes frames, so that sound can be made piece by piece.

The exported graph returns sound only. Inside, its first half (a fiftieth of the work) predicts how many 25 ms
frames each token lasts and spreads text features, pitch and energy over the frames; its second half makes sound
of them. This writes
  predictor.onnx      inputs `tokens` int64 [1, tokens], `style` float [1, 256], `speed` float [1]
                      outputs `durations` float [1, tokens], `features` [1, 512, frames], `pitch` and `energy`
                      [1, 2 * frames]
  vocoder_norms.onnx  inputs `features`, `pitch`, `energy`, `style`, output `audio`, 600 samples a frame;
                      inputs `norms` float [1, channels, 1], `share` [1], output `own_norms` like `norms`
so that the caller chooses which frames become sound, and when.

The second half brings every channel to zero mean and unit variance over all the frames that it is given, 54 times,
so that a stretch would sound different from the same frames of a whole piece. Each such mean and variance becomes
`norms` + `share` * its own: with a share of 1 and zeros it is the model as published, with a share of 0 and what the
voice has on average the sound of a frame depends on its neighbours alone.

Both files are the same protobuf message with fields left out and names replaced: no onnx package, no
re-serialisation; weights stay byte for byte as they were.

usage: kokoro_split.py --out FOLDER IN
"""
import argparse
import os
import pathlib
import re
import struct
import sys

# Tensors between the halves, and the names that they get outside.
BETWEEN = {b"/encoder/MatMul_1_output_0": b"features", b"/encoder/Reshape_output_0": b"pitch",
           b"/encoder/Reshape_1_output_0": b"energy"}
DURATIONS = {b"/encoder/Clip_output_0": b"durations"}
NORM = re.compile(rb"(/decoder/.*(?:norm\d|adain\d\.\d))/ReduceMean(?:_2)?_output_0")
SHAPES = {b"norms": (1, b"channels", 1), b"own_norms": (1, b"channels", 1), b"share": (1,), b"features": (1, 512, b"frames"), b"pitch": (1, b"half_frames"), b"energy": (1, b"half_frames"),
          b"durations": (1, b"tokens"), b"audio": (b"samples",)}
MODEL_GRAPH = 7  # these are field numbers in onnx.proto
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE = 1, 2, 3, 4, 5
INITIALIZER_DIMS, INITIALIZER_TYPE, INITIALIZER_NAME, INITIALIZER_RAW, VALUE_NAME = 1, 2, 8, 9, 1
NORMS = 108  # means and variances
FLOAT, INT64, ATTRIBUTE_INT = 1, 7, 2


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def read_varint(buf, at):
    n = shift = 0
    while True:
        byte = buf[at]
        at += 1
        n |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return n, at


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def fields(buf, at, end):
    """Yields (field number, start of the field, start of its payload, end) of delimited fields."""
    while at < end:
        start = at
        key, at = read_varint(buf, at)
        if key & 7 == 0:
            _, at = read_varint(buf, at)
        elif key & 7 == 2:
            size, at = read_varint(buf, at)
            if at + size > end:
                break
            yield key >> 3, start, at, at + size
            at += size
        else:
            at += {1: 8, 5: 4}.get(key & 7) or sys.exit("kokoro_split: the input is not an ONNX model")


def parts(buf, begin, end, number):
    """Payloads of all fields `number` of a message."""
    return [bytes(buf[b:e]) for n, _, b, e in fields(buf, begin, end) if n == number]


class Graph:
    def __init__(self, buf):
        self.nodes, self.weights, self.inputs, self.rest = [], {}, {}, []
        for number, start, begin, end in fields(buf, 0, len(buf)):
            whole = bytes(buf[start:end])
            if number == GRAPH_NODE:
                self.nodes.append((parts(buf, begin, end, NODE_INPUT), parts(buf, begin, end, NODE_OUTPUT), whole))
            elif number == GRAPH_INITIALIZER:
                self.weights[parts(buf, begin, end, INITIALIZER_NAME)[0]] = whole
            elif number == GRAPH_INPUT:
                self.inputs[parts(buf, begin, end, VALUE_NAME)[0]] = whole
        self.maker = {out: node for node in self.nodes for out in node[1]}

    def half(self, wanted, known):
        """Bytes of the graph that makes `wanted` from the inputs and the tensors of `known` (old name: new one)."""
        need, waiting, used = set(), list(wanted), set()
        while waiting:
            name = waiting.pop()
            if name in need or not name:
                continue
            need.add(name)
            if name in known or name in self.weights or name in self.inputs:
                continue
            if name not in self.maker:
                sys.exit(f"kokoro_split: nothing makes {name.decode()}: another export?")
            used.add(id(self.maker[name]))
            waiting += self.maker[name][0]
        out = bytearray()
        for node in self.nodes:
            if id(node) in used:
                out += renamed(node[2], known)
        out += b"".join(payload for name, payload in self.weights.items() if name in need)
        out += b"".join(value(GRAPH_INPUT, known[name]) for name in known if name in need)
        out += b"".join(payload for name, payload in self.inputs.items() if name in need)
        return bytes(out), need


def renamed(node, known, which=NODE_INPUT):
    _, at = read_varint(node, 0)
    _, at = read_varint(node, at)
    payload = b""
    for number, start, begin, end in fields(node, at, len(node)):
        data = node[begin:end]
        payload += field(number, known[data]) if number == which and data in known else node[start:end]
    return field(GRAPH_NODE, payload)


def value(number, name):
    """A ValueInfoProto: name, then type.tensor_type{elem_type, shape{dim...}}; a dim is a number or a name."""
    dims = b"".join(field(1, varint(1 << 3) + varint(d) if isinstance(d, int) else field(2, d)) for d in SHAPES[name])
    return field(number, field(VALUE_NAME, name) + field(2, field(1, bytes([1 << 3, FLOAT]) + field(2, dims))))


def new_node(op, inputs, outputs, axis=None):
    attribute = b"" if axis is None else field(NODE_ATTRIBUTE, field(1, b"axis") + varint(3 << 3) + varint(axis)
                                               + varint(20 << 3) + varint(ATTRIBUTE_INT))
    return field(GRAPH_NODE, b"".join(field(NODE_INPUT, name) for name in inputs)
                 + b"".join(field(NODE_OUTPUT, name) for name in outputs)
                 + field(NODE_NAME, b"/parley/" + outputs[0]) + field(NODE_OP, op) + attribute)


def identity(source, name):
    return new_node(b"Identity", [source], [name])


def channels(graph, norm):
    """Of a normalisation: the style gives each channel a scale and an offset, so half the bias of that layer."""
    bias = graph.weights.get(norm[1:].replace(b"/", b".") + b".fc.bias")
    if not bias:
        sys.exit(f"kokoro_split: no size of {norm.decode()}: another export?")
    _, at = read_varint(bias, 0)
    _, at = read_varint(bias, at)
    key, at = read_varint(bias, at)
    if key != INITIALIZER_DIMS << 3:
        sys.exit(f"kokoro_split: no size of {norm.decode()}: another export?")
    return read_varint(bias, at)[0] // 2


def with_norms(graph, payload):
    """The graph with every mean and variance over time taken from outside, as far as `share` says."""
    out, own, sizes = bytearray(), [], []
    for number, start, begin, end in fields(payload, 0, len(payload)):
        names = parts(payload, begin, end, NODE_OUTPUT) if number == GRAPH_NODE else [b""]
        norm = NORM.fullmatch(names[0])
        if not norm:
            out += payload[start:end]
            continue
        own.append(names[0] + b"/own")
        sizes.append(channels(graph, norm[1]))
        out += renamed(payload[start:end], {names[0]: own[-1]}, NODE_OUTPUT)
        out += new_node(b"Mul", [own[-1], b"share"], [names[0] + b"/shared"])
        out += new_node(b"Add", [names[0] + b"/shared", names[0] + b"/given"], [names[0]])
    if len(own) != NORMS:
        sys.exit(f"kokoro_split: {len(own)} means and variances instead of {NORMS}: another export?")
    split = (varint(INITIALIZER_DIMS << 3) + varint(NORMS) + varint(INITIALIZER_TYPE << 3) + varint(INT64)
             + field(INITIALIZER_NAME, b"/parley/sizes") + field(INITIALIZER_RAW, struct.pack(f"<{NORMS}q", *sizes)))
    given = [name[:-len(b"own")] + b"given" for name in own]
    return (new_node(b"Split", [b"norms", b"/parley/sizes"], given, axis=1) + bytes(out)
            + new_node(b"Concat", own, [b"own_norms"], axis=1) + field(GRAPH_INITIALIZER, split)
            + value(GRAPH_INPUT, b"norms") + value(GRAPH_INPUT, b"share") + value(GRAPH_OUTPUT, b"own_norms"))


def write(path, model, graph):
    part = path.with_suffix(".part")
    start, end = model.graph_place
    part.write_bytes(model.buf[:start] + field(MODEL_GRAPH, field(2, b"kokoro") + graph) + model.buf[end:])
    os.replace(part, path)


class Model:
    def __init__(self, buf):
        self.buf = buf
        for number, start, begin, end in fields(buf, 0, len(buf)):
            if number == MODEL_GRAPH:
                self.graph_place, self.graph = (start, end), Graph(buf[begin:end])
                return
        sys.exit("kokoro_split: the input is not an ONNX model")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    args = parser.parse_args()
    model = Model(args.model.read_bytes())
    told = {**DURATIONS, **BETWEEN}
    graph, need = model.graph.half(told, {})
    if set(model.graph.inputs) - need:
        sys.exit("kokoro_split: the first half does not read tokens, style and speed: another export?")
    graph += b"".join(identity(source, name) + value(GRAPH_OUTPUT, name) for source, name in told.items())
    write(args.out / "predictor.onnx", model, graph)
    graph, need = model.graph.half([b"audio"], BETWEEN)
    if set(BETWEEN) - need or b"tokens" in need:
        sys.exit("kokoro_split: the second half needs other tensors than expected: another export?")
    graph = with_norms(model.graph, graph)
    write(args.out / "vocoder_norms.onnx", model, graph + value(GRAPH_OUTPUT, b"audio"))


if __name__ == "__main__":
    main()
