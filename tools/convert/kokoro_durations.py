#!/usr/bin/env python3
"""Give the Kokoro model one more input and one more output, both float, one value a token.

The exported graph returns sound only. Inside, it predicts how many 25 ms frames each token lasts
(`/encoder/Clip_output_0`, pads included). After this change:
  output `durations`  what was used, in frames: word marks are sums of it
  input `caps`        an upper bound for each token. A clause starts with 0.4 s and ends with 0.7 s
                      of silence that cost as much work as speech; bounds on the pads and on the
                      last mark take them away before they are computed. 1000 means no bound.
The file is a protobuf message, so the change is one renamed input and a few fields appended to the
graph: no onnx package, no re-serialisation, every other byte stays as it was.

usage: kokoro_durations.py --out OUT IN
"""
import argparse
import os
import sys

SOURCE = b"/encoder/Clip_output_0"
CAPPED = b"/encoder/Clip_capped_0"  # as long as SOURCE, so that no length changes
READER = b"/encoder/Cast"  # the one node that reads SOURCE
OUTPUT, INPUT = b"durations", b"caps"
MODEL_GRAPH = 7  # these are field numbers in onnx.proto
GRAPH_NODE, GRAPH_INPUT, GRAPH_OUTPUT = 1, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OP = 1, 2, 3, 4
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
            break


def find_graph(buf):
    for number, start, begin, end in fields(buf, 0, len(buf)):
        if number == MODEL_GRAPH:
            return start, begin, end
    sys.exit("kokoro_durations: the input is not an ONNX model")


def node(op, name, inputs, output):
    payload = b"".join(field(NODE_INPUT, i) for i in inputs) + field(NODE_OUTPUT, output)
    return field(GRAPH_NODE, payload + field(NODE_NAME, name) + field(NODE_OP, op))


def redirect_reader(graph):
    """Puts the bound before the reader of the durations; returns the changed graph."""
    bound = node(b"Min", b"/parley/cap", [SOURCE, INPUT], CAPPED)
    for number, start, begin, end in fields(graph, 0, len(graph)):
        if number != GRAPH_NODE or READER not in graph[begin:end]:
            continue
        parts = [(n, graph[b:e]) for n, _, b, e in fields(graph, begin, end)]
        if (NODE_NAME, READER) in parts and (NODE_INPUT, SOURCE) in parts:
            changed = graph[start:end].replace(SOURCE, CAPPED, 1)
            return graph[:start] + bound + changed + graph[end:]
    sys.exit("kokoro_durations: the model has no node that reads the durations: another export?")


def value(number, name, *dims):
    """A ValueInfoProto: name, then type.tensor_type{elem_type, shape{dim...}}."""
    shape = field(2, b"".join(field(1, d) for d in dims)) if dims else b""
    return field(number, field(1, name) + field(2, field(1, bytes([1 << 3, FLOAT]) + shape)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("model")
    args = parser.parse_args()
    with open(args.model, "rb") as f:
        model = f.read()
    start, begin, end = find_graph(model)
    graph = redirect_reader(model[begin:end])
    graph += node(b"Identity", b"/parley/durations", [CAPPED], OUTPUT)
    graph += value(GRAPH_INPUT, INPUT, bytes([1 << 3, 1]), field(2, b"sequence_length"))
    graph += value(GRAPH_OUTPUT, OUTPUT, bytes([1 << 3, 1]), field(2, b"sequence_length"))
    with open(args.out + ".part", "wb") as f:
        f.write(model[:start] + field(MODEL_GRAPH, graph) + model[end:])
    os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
