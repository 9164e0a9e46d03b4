"""The Triton kernels, run on the CPU by Triton's interpreter, and compiled for an absent GPU."""

import pytest

from tests.triton_script import said

INTERPRETED = """
    import itertools, sys, torch
    from dicegrad.losses.fused import fused_gradient, fused_sums
    from dicegrad.losses.tiles import tiled_gradient, tiled_sums

    def compare(channels, activation, norm, dtype, labels, shape=(11, 13, 17), masks=""):
        torch.manual_seed(0)
        z = torch.randn(2, channels, *shape).to(dtype)
        z = z.float().sigmoid().to(dtype) if activation is None else z
        z = z.mT.contiguous().mT if channels == 3 else z  # a layout that is not contiguous
        y = torch.randint(0, 2 if labels is torch.bool else max(channels, 2), (2, *shape))
        y = y.to(labels)
        over = [None, None, None]
        if "mask" in masks:
            over[0] = torch.rand(2, *shape) < 0.7
            y = y.masked_fill(~over[0], 99)  # what is ignored may have no channel
        if "ignore" in masks:
            over[1] = 77
            y[torch.rand(y.shape) < 0.2] = 77
        if "into" in masks:
            over[2] = torch.arange(channels).repeat(2, 1)
            over[2][0, 1] = over[2][1, 1:3] = 0
        own, found = fused_sums(z, y, activation, norm, *over)
        expected, bounds = tiled_sums(z, y, activation, norm, *over)
        torch.testing.assert_close(own, expected, rtol=2e-6, atol=1e-5)
        if bounds:
            lowest, highest = min(x.item() for x in bounds), max(x.item() for x in bounds)
            assert found[0].max() == highest and 0 <= found[0].min() <= lowest
        coefficients = torch.randn(2, 2, channels, dtype=torch.float64)
        gradient = fused_gradient(z, y, activation, norm, coefficients, *over)
        expected = tiled_gradient(z, y, activation, norm, coefficients, *over)
        step = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}[dtype]
        torch.testing.assert_close(gradient, expected, rtol=step, atol=step)

    activations, norms = (None, "sigmoid", "softmax"), ("l1", "l2")
    for channels, activation, norm in itertools.product((1, 3, 4), activations, norms):
        if (channels, activation) != (1, "softmax"):
            compare(channels, activation, norm, torch.float32, torch.uint8)
            for masks in ("mask", "ignore", "mask ignore into" if channels > 1 else ""):
                compare(channels, activation, norm, torch.float32, torch.uint8, (9, 7), masks)
    compare(14, "softmax", "l2", torch.float32, torch.int64, (40, 41), "into")
    for dtype in (torch.float16, torch.bfloat16):
        compare(4, "softmax", "l1", dtype, torch.int64)
    compare(1, "sigmoid", "l1", torch.float32, torch.bool)
    compare(14, "softmax", "l1", torch.float32, torch.int32, (40, 41))
    z = torch.full((1, 1, 4, 4), 0.5)
    _, found = fused_sums(z, torch.full((1, 4, 4), 7), None, "l1")
    assert found[0].max() == 7  # a label without a channel shows
    logits = torch.tensor([1e4, -1e4, 0.0]).reshape(1, 3, 1).expand(1, 3, 100)
    sums, _ = fused_sums(logits, torch.zeros(1, 100, dtype=torch.uint8), "softmax", "l1")
    assert sums[1].tolist() == [[100.0, 0.0, 0.0]]
    print("same")
"""

BETWEEN = """
    import itertools, torch
    from dicegrad.losses.fused import fits, fused_gradient, fused_loss, loss_fits
    from dicegrad.losses.masks import Masks
    from dicegrad.losses.reduction import loss_and_coefficients, make_reduction
    from dicegrad.losses.tiles import tiled_gradient, tiled_sums

    def compare(channels, phi, background, epsilon, weight, share, masks, batch=3):
        torch.manual_seed(0)
        z = torch.randn(batch, channels, 9, 31)
        y = torch.randint(0, max(channels, 2), (batch, 9, 31), dtype=torch.uint8)
        activation = "softmax" if channels > 1 else None
        z = z if channels > 1 else z.sigmoid()
        over = Masks(torch.rand(batch, 9, 31) < 0.7 if masks else None, None, None, share)
        reduction = make_reduction(phi, epsilon, background, weight)
        assert fits(z, y)
        assert loss_fits(z, reduction)
        own = fused_loss(z, y, activation, "l1", reduction, over)
        sums, _ = tiled_sums(z, y, activation, "l1", over.mask)
        torch.testing.assert_close(own.sums, sums.double(), rtol=2e-6, atol=1e-5)
        loss, coefficients = loss_and_coefficients(own.sums.clone(), reduction, over.share)
        torch.testing.assert_close(own.value, torch.as_tensor(loss).float(), rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(own.coefficients, coefficients, rtol=1e-12, atol=1e-15)
        up = torch.tensor(0.25)
        gradient = fused_gradient(z, y, activation, "l1", coefficients, over.mask, upstream=up)
        expected = tiled_gradient(z, y, activation, "l1", 0.25 * coefficients, over.mask)
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-8)

    some = torch.tensor([1, 0, 1, 1, 0, 0, 1, 1, 0.0])
    shares = (None, some * torch.rand(9) * 3, torch.zeros(9))
    for phi, background, some in itertools.product(("I", "CI", "BI", "BCI"), (True, False), shares):
        share = None if some is None else some.view(3, 3).double()
        pooled = "C" in phi
        epsilon = 2.5 if pooled or background else (0.5, 30.0)
        weight = None if pooled or background else (1.0, 3.0)
        compare(3, phi, background, epsilon, weight, share, masks=phi == "I")
    compare(3, "BI", True, 1e-7, None, some.view(3, 3).double(), masks=False)
    compare(1, "I", True, 1e-7, None, None, masks=True, batch=1)
    compare(5, "BI", True, 1e-7, None, None, masks=True, batch=40)
    for labels, value in ((9, 0.5), (1, 1.5), (1, -0.5)):  # no such channel, no probability
        y = torch.full((1, 4, 4), labels, dtype=torch.uint8)
        z = torch.full((1, 1 if labels == 1 else 2, 4, 4), value)
        activation = None if labels == 1 else "softmax"
        try:
            fused_loss(z, y, activation, "l1", make_reduction("I", 1.0), Masks())
        except RuntimeError as error:
            assert "outside [0, 1]" in str(error)
        else:
            raise SystemExit(f"label {labels} and value {value} passed")
    print("same")
"""

COMPILED = """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from dicegrad.losses import dice_kernel, fused, kernels

    def compile(kernel, constants, pointers):
        names = kernel.arg_names
        kinds = {n: "constexpr" if n in constants else pointers.get(n, "i32") for n in names}
        values = {(names.index(n),): value for n, value in constants.items()}
        source = ASTSource(kernel, kinds, values)
        target = GPUTarget("cuda", 90, 32)
        return triton.compile(source, target=target, options={"num_warps": fused._WARPS})

    strides = dict(voxel_stride=1, label_stride=1)
    for channels, activation, values, merging in (
        (1, "none", "fp32", False), (4, "softmax", "bf16", False), (4, "softmax", "bf16", True)
    ):
        padded, block, run = fused._shape(channels)
        pointers = {n: "*fp32" for n in ("partial", "counted", "extremes", "upstream")}
        pointers["coefficients"] = "*fp64"
        pointers |= dict(maps="*" + values, labels="*u8", gradient="*" + values)
        pointers |= dict(mask="*u8", into="*i64" if merging else "*u8")
        constants = dict(channels=channels, activation=activation, squared=False)
        constants |= dict(padded=padded, block=block, run=run, **strides)
        constants |= dict(masked=merging, ignoring=merging, merging=merging)
        first = dict(constants, bounded=channels == 1, steps=fused._STEPS)
        assert compile(kernels.sums_kernel, first, pointers).asm["cubin"]
        second = dict(constants, scaled=True)
        assert compile(kernels.gradient_kernel, second, pointers).asm["cubin"]
    for word in (False, True):
        pointers = {n: "*fp32" for n in ("partial", "counted", "extremes", "loss")}
        for name in ("share", "epsilons", "weights", "sums", "coefficients"):
            pointers[name] = "*fp64"
        pointers |= dict(valid="*i32", epsilon="fp32", slack="fp32")
        words = ("pools_batch", "pools_classes", "sharing", "several", "weighting", "masked")
        constants = dict.fromkeys((*words, "bounded", "checked"), word)
        constants |= dict(channels=4, first=1, padded_batch=2, padded=4, chunk=256, turns=2)
        assert compile(dice_kernel.dice_kernel, constants, pointers).asm["cubin"]
    print("compiled")
"""


def test_the_kernels_give_what_the_tiles_give(tmp_path):
    assert said(INTERPRETED, tmp_path, interpreted=True) == "same"


def test_the_kernel_between_the_passes_gives_what_the_reduction_gives(tmp_path):
    assert said(BETWEEN, tmp_path, interpreted=True) == "same"


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu(tmp_path):
    assert said(COMPILED, tmp_path, interpreted=False) == "compiled"
