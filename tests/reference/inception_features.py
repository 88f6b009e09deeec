"""Features of Inception-v3 with weights and pictures made by a formula, by PyTorch: tests/golden/inception_features.f32.

    python3 inception_features.py OUT        needs torch and numpy; the tests need neither

test_inception.c makes the same weights and pictures. All of them are small whole numbers times a power of two, so that both sides hold the
same values, in bf16 too. Written: float32 [2 ways of resizing (torch, TensorFlow 1), 2 pictures, 2048].
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F


def words(name, n):
    """n 32-bit words that the name gives: FNV-1a of the name, then a mix of seed + j * 0x9e3779b9."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    x = (np.arange(n, dtype=np.uint64) * 0x9E3779B9 + seed).astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def bits(name, n, count):
    return (words(name, n) >> np.uint32(32 - count)).astype(np.float64)


def unit(x, name, out, kernel, stride=1, pad=(0, 0)):
    cin = x.shape[1]
    fan_in = cin * kernel[0] * kernel[1]
    scale = 2.0 ** np.floor(np.log2(np.sqrt(6.0 / fan_in)))
    w = (bits(name + ".conv.weight", out * fan_in, 8) - 128.0) / 128.0 * scale
    gain = 0.5 + bits(name + ".bn.weight", out, 7) / 128.0
    shift = (bits(name + ".bn.bias", out, 7) - 64.0) / 512.0
    mean = (bits(name + ".bn.running_mean", out, 7) - 64.0) / 512.0
    variance = 0.5 + bits(name + ".bn.running_var", out, 7) / 128.0
    t = lambda a: torch.from_numpy(a.astype(np.float64)).to(x.dtype)
    x = F.conv2d(x, t(w).reshape(out, cin, *kernel), stride=stride, padding=pad)
    return F.relu(F.batch_norm(x, t(mean), t(variance), t(gain), t(shift), eps=1e-3))


def u1(x, name, out):
    return unit(x, name, out, (1, 1))


def u3(x, name, out):
    return unit(x, name, out, (3, 3), 1, (1, 1))


def average(x):
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def block_a(x, n, pooled):
    a = u1(x, n + "branch1x1", 64)
    b = unit(u1(x, n + "branch5x5_1", 48), n + "branch5x5_2", 64, (5, 5), 1, (2, 2))
    c = u3(u3(u1(x, n + "branch3x3dbl_1", 64), n + "branch3x3dbl_2", 96), n + "branch3x3dbl_3", 96)
    return torch.cat([a, b, c, u1(average(x), n + "branch_pool", pooled)], 1)


def block_b(x, n):
    a = unit(x, n + "branch3x3", 384, (3, 3), 2)
    b = u3(u1(x, n + "branch3x3dbl_1", 64), n + "branch3x3dbl_2", 96)
    return torch.cat([a, unit(b, n + "branch3x3dbl_3", 96, (3, 3), 2), F.max_pool2d(x, 3, 2)], 1)


def block_c(x, n, inner):
    wide, tall = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
    b = u1(x, n + "branch7x7_1", inner)
    b = unit(unit(b, n + "branch7x7_2", inner, *wide), n + "branch7x7_3", 192, *tall)
    c = u1(x, n + "branch7x7dbl_1", inner)
    c = unit(unit(c, n + "branch7x7dbl_2", inner, *tall), n + "branch7x7dbl_3", inner, *wide)
    c = unit(unit(c, n + "branch7x7dbl_4", inner, *tall), n + "branch7x7dbl_5", 192, *wide)
    return torch.cat([u1(x, n + "branch1x1", 192), b, c, u1(average(x), n + "branch_pool", 192)], 1)


def block_d(x, n):
    a = unit(u1(x, n + "branch3x3_1", 192), n + "branch3x3_2", 320, (3, 3), 2)
    b = unit(u1(x, n + "branch7x7x3_1", 192), n + "branch7x7x3_2", 192, (1, 7), 1, (0, 3))
    b = unit(b, n + "branch7x7x3_3", 192, (7, 1), 1, (3, 0))
    return torch.cat([a, unit(b, n + "branch7x7x3_4", 192, (3, 3), 2), F.max_pool2d(x, 3, 2)], 1)


def block_e(x, n, pool):
    wide, tall = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))
    b = u1(x, n + "branch3x3_1", 384)
    b = [unit(b, n + "branch3x3_2a", 384, *wide), unit(b, n + "branch3x3_2b", 384, *tall)]
    c = u3(u1(x, n + "branch3x3dbl_1", 448), n + "branch3x3dbl_2", 384)
    c = [unit(c, n + "branch3x3dbl_3a", 384, *wide), unit(c, n + "branch3x3dbl_3b", 384, *tall)]
    return torch.cat([u1(x, n + "branch1x1", 320), *b, *c, u1(pool(x), n + "branch_pool", 192)], 1)


def features(x):
    x = unit(x, "Conv2d_1a_3x3", 32, (3, 3), 2)
    x = u3(unit(x, "Conv2d_2a_3x3", 32, (3, 3)), "Conv2d_2b_3x3", 64)
    x = u1(F.max_pool2d(x, 3, 2), "Conv2d_3b_1x1", 80)
    x = F.max_pool2d(unit(x, "Conv2d_4a_3x3", 192, (3, 3)), 3, 2)
    for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
        x = block_a(x, f"Mixed_{name}.", pooled)
    x = block_b(x, "Mixed_6a.")
    for name, inner in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        x = block_c(x, f"Mixed_{name}.", inner)
    x = block_d(x, "Mixed_7a.")
    x = block_e(x, "Mixed_7b.", average)
    x = block_e(x, "Mixed_7c.", lambda y: F.max_pool2d(y, 3, 1, 1))
    return x.mean((2, 3))


def resize_tf1(x, size):
    """Bilinear, read at i * H / size, without half a pixel's shift."""

    def along(x, axis):
        n = x.shape[axis]
        at = torch.arange(size, dtype=torch.float64) * n / size
        first = at.floor().long().clamp(max=n - 1)
        part = (at - first).to(x.dtype).reshape([-1 if a == axis else 1 for a in range(4)])
        second = (first + 1).clamp(max=n - 1)
        return x.index_select(axis, first) * (1 - part) + x.index_select(axis, second) * part

    return along(along(x, 2), 3)


def main():
    torch.set_grad_enabled(False)
    pictures = bits("pictures", 2 * 32 * 32 * 3, 8).reshape(2, 32, 32, 3).transpose(0, 3, 1, 2)
    x = torch.from_numpy(np.ascontiguousarray(pictures))
    a = features(2 * F.interpolate(x / 255, size=(299, 299), mode="bilinear", align_corners=False) - 1)
    b = features((resize_tf1(x, 299) - 128) / 128)
    out = torch.stack([a, b]).numpy()
    print(out.shape, out.mean(), out.std(), out.max())
    out.astype("<f4").tofile(sys.argv[1])


main()
