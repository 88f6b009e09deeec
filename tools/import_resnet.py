#!/usr/bin/env python3
"""A ResNet for CIFAR-10 from a text list of layers and raw float32 weights (batch normalisation folded) to a file for bfn eval fid --features.

    import_resnet.py FOLDER NAME ACCURACY OUT.safetensors

FOLDER holds manifest.txt, whose lines say "name cout N cin N k K stride S woff N boff N" (offsets in floats; convolutions stem, l<stage>b<block>c1,
...c2; the last layer fc), and weights.f32. A shortcut that halves the image reads every second pixel and puts zero channels around: written as a
convolution of one pixel with weights 0 and 1. The layout of what is written: src/eval/feature_file.h.
"""
import array
import json
import struct
import sys

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main(folder, name, accuracy, path):
    weights = array.array("f")
    with open(f"{folder}/weights.f32", "rb") as file:
        weights.frombytes(file.read())
    layers, tensors = [], []

    def add(layer, op, *inputs, **more):
        layers.append({"name": layer, "op": op, "in": list(inputs), **more})
        return layer

    def conv(x, layer, out, kernel, stride, shape, values, bias):
        border = kernel // 2
        tensors.append((layer + ".weight", shape, values))
        tensors.append((layer + ".bias", [out], bias))
        return add(layer, "conv", x, out=out, kernel=[kernel] * 2, stride=stride, border=[border] * 2)

    def shortcut(x, layer, out, inp):
        values = array.array("f", bytes(4 * out * inp))
        for i in range(inp):
            values[((out - inp) // 2 + i) * inp + i] = 1.0
        return conv(x, layer, out, 1, 2, [out, inp, 1, 1], values, array.array("f", bytes(4 * out)))

    x = begin = "input"
    for line in open(f"{folder}/manifest.txt", encoding="utf-8"):
        if line.startswith("#") or not line.strip():
            continue
        words = line.split()
        layer, f = words[0], {k: int(v) for k, v in zip(words[1::2], words[2::2])}
        out, inp, k = f["cout"], f["cin"], max(f["k"], 1)
        values = weights[f["woff"] : f["woff"] + out * inp * k * k]
        bias = weights[f["boff"] : f["boff"] + out]
        if layer == "fc":
            x = add("pool", "mean", x)
            tensors += [("fc.weight", [out, inp], values), ("fc.bias", [out], bias)]
            add("fc", "linear", x, out=out)
            continue
        if layer.endswith("c1"):
            begin = shortcut(x, layer[:-2] + ".skip", out, inp) if f["stride"] == 2 else x
        x = conv(x, layer, out, k, f["stride"], [out, inp, k, k], values, bias)
        if layer.endswith("c2"):
            x = add(layer[:-2] + ".sum", "add", begin, x)
        x = add(layer + ".relu", "relu", x)

    description = {
        "format": 1,
        "name": name,
        "input": {
            "height": 32,
            "width": 32,
            "channels": 3,
            "scale": [1 / (255 * d) for d in DEVIATION],
            "shift": [-m / d for m, d in zip(MEAN, DEVIATION)],
        },
        "layers": layers,
        "features": "pool",
        "logits": "fc",
        "accuracy": float(accuracy),
        "data": "cifar10",
        "made_by": "tools/import_resnet.py",
    }
    header, at = {"__metadata__": {"bfn.features": json.dumps(description, separators=(",", ":"))}}, 0
    for tensor, shape, values in tensors:
        header[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * len(values)]}
        at += 4 * len(values)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, values in tensors:
            file.write(values.tobytes())


if len(sys.argv) != 5:
    sys.exit(__doc__)
main(*sys.argv[1:])
