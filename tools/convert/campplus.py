#!/usr/bin/env python3
"""Make an ONNX file of the CAM++ speaker model from the weights that are published for PyTorch.

The network is written down here layer by layer (Wang et al. 2023, "CAM++", sections 2.1 to 2.3; channel counts
as in the weights); the weights are copied byte for byte, so the file is the same on every machine. PyTorch is
not needed: its file is a zip of raw arrays with a pickle that names them, and only the four names that such a
pickle needs are let through.

The graph takes `features` float [1, frames, 80] and gives `voice` float [1, 192], frames at least 8 and at most
200: within 2 s the mean over a segment is the mean over all, so that the model's segment pooling needs no node
of its own. The mean of each band over time is taken out here.

usage: campplus.py --out OUT IN
"""
import argparse
import collections
import os
import pickle
import sys
import zipfile

import numpy as np

MODEL_IR, MODEL_GRAPH, MODEL_OPSET = 1, 7, 8  # these are field numbers in onnx.proto
GRAPH_NODE, GRAPH_NAME, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 2, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_OP, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_F, ATTRIBUTE_I, ATTRIBUTE_INTS, ATTRIBUTE_TYPE = 1, 2, 3, 8, 20
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW = 1, 2, 8, 9
FLOAT, INT64 = 1, 7
KIND_FLOAT, KIND_INT, KIND_INTS = 1, 2, 7
IR_VERSION, OPSET = 8, 17
BANDS = 80
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers, dilation


def varint(n):
    out = bytearray()
    n &= 2**64 - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def chunk(field, payload):
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def tensor(name, values):
    kind = {np.dtype("<f4"): FLOAT, np.dtype("<i8"): INT64}[values.dtype]
    return b"".join(number(TENSOR_DIMS, n) for n in values.shape) + number(TENSOR_TYPE, kind) + \
        chunk(TENSOR_NAME, name) + chunk(TENSOR_RAW, values.tobytes())


def attribute(name, value):
    out = chunk(ATTRIBUTE_NAME, name)
    if isinstance(value, float):
        return out + varint(ATTRIBUTE_F << 3 | 5) + np.float32(value).tobytes() + number(ATTRIBUTE_TYPE, KIND_FLOAT)
    if isinstance(value, int):
        return out + number(ATTRIBUTE_I, value) + number(ATTRIBUTE_TYPE, KIND_INT)
    return out + b"".join(number(ATTRIBUTE_INTS, n) for n in value) + number(ATTRIBUTE_TYPE, KIND_INTS)


def value_info(name, dims):
    shape = b"".join(chunk(1, chunk(2, d) if isinstance(d, str) else number(1, d)) for d in dims)
    return chunk(1, name) + chunk(2, chunk(1, number(1, FLOAT) + chunk(2, shape)))


class Weights(pickle.Unpickler):
    """Arrays of a PyTorch zip by name."""

    def __init__(self, archive):
        self.archive = archive
        self.root = next(n for n in archive.namelist() if n.endswith("data.pkl"))[:-len("data.pkl")]
        super().__init__(archive.open(self.root + "data.pkl"))

    def find_class(self, module, name):
        known = {("torch._utils", "_rebuild_tensor_v2"): self.rebuild, ("torch", "FloatStorage"): "<f4",
                 ("torch", "LongStorage"): "<i8", ("collections", "OrderedDict"): collections.OrderedDict}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is not expected in a file of weights")
        return known[module, name]

    def persistent_load(self, pid):
        return np.frombuffer(self.archive.read(f"{self.root}data/{pid[2]}"), pid[1])

    @staticmethod
    def rebuild(storage, offset, shape, strides, *_):
        if tuple(strides) != tuple(int(np.prod(shape[i + 1:])) for i in range(len(shape))):
            raise pickle.UnpicklingError("an array is not stored row by row")
        return storage[offset:offset + int(np.prod(shape))].reshape(shape)


class Graph:
    """Nodes in order, each with one output; a tensor is its name."""

    def __init__(self, weights):
        self.weights, self.used = weights, set()
        self.nodes, self.initializers, self.count = [], [], 0

    def node(self, op, *inputs, **attributes):
        self.count += 1
        out = f"t{self.count}"
        self.nodes.append(b"".join(chunk(NODE_INPUT, i) for i in inputs) + chunk(NODE_OUTPUT, out) + chunk(NODE_OP, op) +
                          b"".join(chunk(NODE_ATTRIBUTE, attribute(k, v)) for k, v in attributes.items()))
        return out

    def constant(self, name, values, kind):
        self.initializers.append(tensor(name, np.array(values, kind)))
        return name

    def weight(self, name):
        if name not in self.used:
            self.initializers.append(tensor(name, self.weights[name]))
            self.used.add(name)
        return name

    def conv(self, x, name, **attributes):
        inputs = [x, self.weight(name + ".weight")]
        if name + ".bias" in self.weights:
            inputs.append(self.weight(name + ".bias"))
        return self.node("Conv", *inputs, **attributes)

    def norm(self, x, name):
        channels = len(self.weights[name + ".running_mean"])
        if name + ".weight" in self.weights:
            scale, shift = self.weight(name + ".weight"), self.weight(name + ".bias")
        else:
            scale = self.constant(name + ".weight", [1.0] * channels, "<f4")
            shift = self.constant(name + ".bias", [0.0] * channels, "<f4")
        self.used.add(name + ".num_batches_tracked")
        return self.node("BatchNormalization", x, scale, shift, self.weight(name + ".running_mean"),
                         self.weight(name + ".running_var"), epsilon=1e-5)

    def norm_relu(self, x, name):
        return self.node("Relu", self.norm(x, name))

    def mean(self, x, axis):
        return self.node("ReduceMean", x, axes=[axis], keepdims=1)


def residual(graph, x, name, stride):
    pads = [1, 1, 1, 1]
    y = graph.norm_relu(graph.conv(x, name + ".conv1", strides=[stride, 1], pads=pads), name + ".bn1")
    y = graph.norm(graph.conv(y, name + ".conv2", strides=[1, 1], pads=pads), name + ".bn2")
    if name + ".shortcut.0.weight" in graph.weights:
        x = graph.norm(graph.conv(x, name + ".shortcut.0", strides=[stride, 1]), name + ".shortcut.1")
    return graph.node("Relu", graph.node("Add", y, x))


def front(graph, features):
    """Bands and time as a picture; one eighth of the bands comes out, with 32 channels each."""
    x = graph.node("Sub", features, graph.mean(features, 1))
    x = graph.node("Transpose", x, perm=[0, 2, 1])
    x = graph.node("Unsqueeze", x, graph.constant("axis1", [1], "<i8"))
    pads = [1, 1, 1, 1]
    x = graph.norm_relu(graph.conv(x, "head.conv1", pads=pads), "head.bn1")
    for layer in (1, 2):
        for block in (0, 1):
            x = residual(graph, x, f"head.layer{layer}.{block}", 1 if block else 2)
    x = graph.norm_relu(graph.conv(x, "head.conv2", strides=[2, 1], pads=pads), "head.bn2")
    channels = len(graph.weights["head.bn2.running_mean"]) * BANDS // 8
    return graph.node("Reshape", x, graph.constant("flat", [0, channels, -1], "<i8"))


def masked(graph, x, name, dilation):
    """A layer of a dense block, with the mask that it draws from the context."""
    x = graph.conv(graph.norm_relu(x, name + ".nonlinear1.batchnorm"), name + ".linear1")
    x = graph.norm_relu(x, name + ".nonlinear2.batchnorm")
    name += ".cam_layer"
    y = graph.conv(x, name + ".linear_local", dilations=[dilation], pads=[dilation, dilation])
    mean = graph.mean(x, 2)
    context = graph.node("Add", mean, mean)  # of all, and of the segment: the same within 2 s
    context = graph.node("Relu", graph.conv(context, name + ".linear1"))
    return graph.node("Mul", y, graph.node("Sigmoid", graph.conv(context, name + ".linear2")))


def statistics(graph, x):
    """Mean and standard deviation over time."""
    mean = graph.mean(x, 2)
    away = graph.node("Sub", x, mean)
    square = graph.mean(graph.node("Mul", away, away), 2)
    shape = graph.node("Shape", x)
    frames = graph.node("Cast", graph.node("Gather", shape, graph.constant("axis2", [2], "<i8")), to=FLOAT)
    less = graph.node("Sub", frames, graph.constant("one", [1.0], "<f4"))
    spread = graph.node("Sqrt", graph.node("Mul", square, graph.node("Div", frames, less)))
    return graph.node("Concat", mean, spread, axis=1)


def build(weights):
    graph = Graph(weights)
    x = front(graph, "features")
    x = graph.norm_relu(graph.conv(x, "xvector.tdnn.linear", strides=[2], pads=[2, 2]), "xvector.tdnn.nonlinear.batchnorm")
    for block, (layers, dilation) in enumerate(BLOCKS, 1):
        for layer in range(1, layers + 1):
            x = graph.node("Concat", x, masked(graph, x, f"xvector.block{block}.tdnnd{layer}", dilation), axis=1)
        name = f"xvector.transit{block}"
        x = graph.conv(graph.norm_relu(x, name + ".nonlinear.batchnorm"), name + ".linear")
    x = statistics(graph, graph.norm_relu(x, "xvector.out_nonlinear.batchnorm"))
    x = graph.norm(graph.conv(x, "xvector.dense.linear"), "xvector.dense.nonlinear.batchnorm")
    x = graph.node("Squeeze", x, "axis2")
    graph.nodes.append(chunk(NODE_INPUT, x) + chunk(NODE_OUTPUT, "voice") + chunk(NODE_OP, "Identity"))
    left = set(weights) - graph.used
    if left:
        raise ValueError(f"weights that the network does not have: {sorted(left)[:3]}")
    body = b"".join(chunk(GRAPH_NODE, n) for n in graph.nodes) + chunk(GRAPH_NAME, "campplus") + \
        b"".join(chunk(GRAPH_INITIALIZER, t) for t in graph.initializers) + \
        chunk(GRAPH_INPUT, value_info("features", [1, "frames", BANDS])) + \
        chunk(GRAPH_OUTPUT, value_info("voice", [1, len(weights["xvector.dense.nonlinear.batchnorm.running_mean"])]))
    return number(MODEL_IR, IR_VERSION) + chunk(MODEL_GRAPH, body) + chunk(MODEL_OPSET, number(2, OPSET))


def main():
    parser = argparse.ArgumentParser(description="CAM++ from PyTorch's file to ONNX")
    parser.add_argument("--out", required=True)
    parser.add_argument("weights")
    args = parser.parse_args()
    with zipfile.ZipFile(args.weights) as archive:
        model = build(Weights(archive).load())
    with open(args.out + ".part", "wb") as out:
        out.write(model)
    os.replace(args.out + ".part", args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
