#!/usr/bin/env python3
"""Cut the Kokoro model in two where text becomes frames, so that sound can be made piece by piece.

The exported graph returns sound only. Inside, its first half (a fiftieth of the work) predicts how many 25 ms
frames each token lasts and spreads text features, pitch and energy over the frames; its second half makes sound
of them. This writes
  predictor.onnx   inputs `tokens` int64 [1, tokens], `style` float [1, 256], `speed` float [1]
                   outputs `durations` float [1, tokens], `features` [1, 512, frames], `pitch` and `energy`
                   [1, 2 * frames]
  vocoder.onnx     inputs `features`, `pitch`, `energy`, `style`, output `audio`, 600 samples a frame
so that the caller chooses which frames become sound, and when.

Both files are the same protobuf message with fields left out and names replaced: no onnx package, no
re-serialisation; weights stay byte for byte as they were.

usage: kokoro_split.py --out FOLDER IN
"""
import argparse
import os
import pathlib
import sys

# Tensors between the halves, and the names that they get outside.
BETWEEN = {b"/encoder/MatMul_1_output_0": b"features", b"/encoder/Reshape_output_0": b"pitch",
           b"/encoder/Reshape_1_output_0": b"energy"}
DURATIONS = {b"/encoder/Clip_output_0": b"durations"}
SHAPES = {b"features": (1, 512, b"frames"), b"pitch": (1, b"half_frames"), b"energy": (1, b"half_frames"),
          b"durations": (1, b"tokens"), b"audio": (b"samples",)}
MODEL_GRAPH = 7  # these are field numbers in onnx.proto
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OP = 1, 2, 3, 4
INITIALIZER_NAME, VALUE_NAME = 8, 1
FLOAT = 1


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


def renamed(node, known):
    _, at = read_varint(node, 0)
    _, at = read_varint(node, at)
    payload = b""
    for number, start, begin, end in fields(node, at, len(node)):
        data = node[begin:end]
        payload += field(number, known[data]) if number == NODE_INPUT and data in known else node[start:end]
    return field(GRAPH_NODE, payload)


def value(number, name):
    """A ValueInfoProto: name, then type.tensor_type{elem_type, shape{dim...}}; a dim is a number or a name."""
    dims = b"".join(field(1, varint(1 << 3) + varint(d) if isinstance(d, int) else field(2, d)) for d in SHAPES[name])
    return field(number, field(VALUE_NAME, name) + field(2, field(1, bytes([1 << 3, FLOAT]) + field(2, dims))))


def identity(source, name):
    return field(GRAPH_NODE, field(NODE_INPUT, source) + field(NODE_OUTPUT, name)
                 + field(NODE_NAME, b"/parley/" + name) + field(NODE_OP, b"Identity"))


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
    write(args.out / "vocoder.onnx", model, graph + value(GRAPH_OUTPUT, b"audio"))


if __name__ == "__main__":
    main()
