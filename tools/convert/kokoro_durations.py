#!/usr/bin/env python3
"""Let the Kokoro model tell its durations, and let it skip the silence around a clause.

The exported graph returns sound only. Inside, it predicts how many 25 ms frames each token lasts,
spreads text features, pitch and energy over the frames, and makes sound of them. The sound of a
clause starts with 0.4 s and ends with 0.6 s of silence that cost as much work as speech. After this
change the graph has
  output `durations`   float [1, tokens]: frames of each token, pads included
  inputs `keep_start`, `keep_end`   float [1]: frames to keep of the first token, and from the start
                       of the third last token (the last sound before mark and pad) on; the rest is
                       not made into sound. 1000 keeps everything.
so that the first sample belongs to frame max(0, durations[0] - keep_start). (Bounds on the durations
themselves would be simpler, but pitch and energy expect the silence: words lose their ends.)

The file is a protobuf message, so the change is three renamed inputs and some fields put into the
graph: no onnx package, no re-serialisation, every other byte stays as it was.

usage: kokoro_durations.py --out OUT IN
"""
import argparse
import os
import sys

DURATIONS = b"/encoder/Clip_output_0"
# Tensors between the two halves: features [1, 512, frames], pitch and energy [1, 2 * frames].
SPREAD = [(b"/encoder/MatMul_1_output_0", b"start", b"end", b"axis2"),
          (b"/encoder/Reshape_output_0", b"start2", b"end2", b"axis1"),
          (b"/encoder/Reshape_1_output_0", b"start2", b"end2", b"axis1")]
SOURCES = {spread[0] for spread in SPREAD}
OWN = b"/parley/"
MODEL_GRAPH = 7  # these are field numbers in onnx.proto
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE = 1, 2, 3, 4, 5
FLOAT, INT64 = 1, 7


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


def node(op, inputs, output, *attributes):
    payload = b"".join(field(NODE_INPUT, i) for i in inputs) + field(NODE_OUTPUT, output)
    payload += field(NODE_NAME, OWN + b"make_" + output.split(b"/")[-1]) + field(NODE_OP, op)
    return field(GRAPH_NODE, payload + b"".join(field(NODE_ATTRIBUTE, a) for a in attributes))


def integer(name, number):
    """An attribute: name, i, type INT."""
    return field(1, name) + varint(3 << 3) + varint(number) + varint(20 << 3) + varint(2)


def constant(name, number):
    """An initializer int64[1]: dims, data_type, name, raw_data."""
    payload = varint(1 << 3) + varint(1) + varint(2 << 3) + varint(INT64)
    payload += field(8, OWN + name) + field(9, number.to_bytes(8, "little", signed=True))
    return field(GRAPH_INITIALIZER, payload)


def bounds():
    """Nodes that compute which frames to keep."""
    def own(*names):
        return [OWN + n for n in names]
    steps = [
        node(b"Slice", [DURATIONS] + own(b"zero", b"one", b"axis1"), OWN + b"first"),
        node(b"Slice", [DURATIONS] + own(b"minus3", b"huge", b"axis1"), OWN + b"tail"),
        node(b"ReduceSum", own(b"tail"), OWN + b"tail_sum", integer(b"keepdims", 1)),
        node(b"ReduceSum", [DURATIONS], OWN + b"total", integer(b"keepdims", 1)),
        node(b"Sub", own(b"first") + [b"keep_start"], OWN + b"first_over"),
        node(b"Relu", own(b"first_over"), OWN + b"skip_start"),
        node(b"Sub", own(b"tail_sum") + [b"keep_end"], OWN + b"tail_over"),
        node(b"Relu", own(b"tail_over"), OWN + b"skip_end"),
        node(b"Sub", own(b"total", b"skip_end"), OWN + b"stop"),
    ]
    for source, name in ((b"skip_start", b"start"), (b"stop", b"end")):
        steps.append(node(b"Cast", own(source), OWN + name + b"_int", integer(b"to", INT64)))
        steps.append(node(b"Reshape", own(name + b"_int", b"minus1"), OWN + name))
        steps.append(node(b"Add", own(name, name), OWN + name + b"2"))
    return b"".join(steps)


def rewrite(graph):
    """Cuts the spread tensors right before their first reader; returns the changed graph."""
    out, done, last = bytearray(), set(), 0
    for number, start, begin, end in fields(graph, 0, len(graph)):
        if number != GRAPH_NODE:
            continue
        parts = [(n, graph[b:e]) for n, _, b, e in fields(graph, begin, end)]
        read = [spread for spread in SPREAD if (NODE_INPUT, spread[0]) in parts]
        if not read:
            continue
        out += graph[last:start]
        payload = b"".join(
            field(n, data.replace(b"/encoder/", OWN) if n == NODE_INPUT and data in SOURCES else data)
            for n, data in parts)
        for source, first, stop, axis in read:
            if source not in done:
                out += b"" if done else bounds()
                out += node(b"Slice", [source, OWN + first, OWN + stop, OWN + axis],
                            source.replace(b"/encoder/", OWN))
                done.add(source)
        out += field(GRAPH_NODE, payload)
        last = end
    if len(done) != len(SPREAD) or DURATIONS not in graph:
        sys.exit("kokoro_durations: the graph has other tensors than expected: another export?")
    return bytes(out) + graph[last:]


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
    graph = rewrite(model[begin:end])
    for name, number in ((b"zero", 0), (b"one", 1), (b"minus3", -3), (b"huge", 1 << 31),
                         (b"minus1", -1), (b"axis1", 1), (b"axis2", 2)):
        graph += constant(name, number)
    graph += field(GRAPH_NODE, field(NODE_INPUT, DURATIONS) + field(NODE_OUTPUT, b"durations")
                   + field(NODE_NAME, OWN + b"durations") + field(NODE_OP, b"Identity"))
    one = bytes([1 << 3, 1])
    graph += value(GRAPH_INPUT, b"keep_start", one) + value(GRAPH_INPUT, b"keep_end", one)
    graph += value(GRAPH_OUTPUT, b"durations", one, field(2, b"sequence_length"))
    with open(args.out + ".part", "wb") as f:
        f.write(model[:start] + field(MODEL_GRAPH, graph) + model[end:])
    os.replace(args.out + ".part", args.out)


if __name__ == "__main__":
    main()
