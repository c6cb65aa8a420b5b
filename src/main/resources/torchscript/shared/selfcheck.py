# Compares own kernels, and products of e4m3, with PyTorch's operations on random rows of a network's widths.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import Optional

from attention import rotary_turns
from fused import Fused, Rows, quantise
from linear import Linear


def dequantise(rows: Rows) -> Tensor:
    x, scales = rows.values.float(), rows.scales
    return x if scales is None else x * scales


# Measures the worst number. x, exact (rows, width) → its error, relative to it and a tenth of the root mean square; a
# large number for NaN
def relative_error(x: Tensor, exact: Tensor) -> float:
    exact = exact.float()
    scale = exact.abs() + 0.1 * exact.square().mean().sqrt()
    return float(((x.float() - exact).abs() / scale).nan_to_num(1e9).max().item())


# Runs one of Fused's operations. rows: their number, width: a multiple of 8
def run_operation(operation: str, enabled: bool, x: Tensor, y: Tensor, weight: Tensor, turns: Tensor, e4m3: bool) -> Tensor:
    fused = Fused()
    fused.enabled = enabled
    x, y = x.clone(), y.clone()
    if operation == "rotate":
        heads = x.view(x.shape[0], -1, 2 * turns.shape[2])
        kept = heads.shape[1] // 2 + 1  # the others must stay
        return torch.cat([fused.rotate(heads[:, :kept], turns), heads[:, kept:]], 1).flatten(1)
    elif operation == "silu_mul":
        return dequantise(fused.silu_mul(x, y, e4m3))
    elif operation == "rows":
        return dequantise(fused.rows(x, e4m3))
    delta: Optional[Tensor] = y
    if operation == "rms":
        delta = None
    else:
        assert operation == "add_rms"
    normal = dequantise(fused.add_rms(x, delta, weight, 1e-6, e4m3))
    return torch.cat([x.float(), normal], 1)


# Measures one of Fused's operations with own kernels against the one without. → see relative_error, of several row counts
def operation_error(operation: str, width: int, head_dim: int, device: torch.device, dtype: int, e4m3: bool) -> float:
    worst = 0.0
    for rows in [1, 37, 259]:
        x = torch.randn([rows, width], device=device).to(dtype)
        y = torch.randn([rows, width], device=device).to(dtype)
        weight = torch.rand([width], device=device).to(dtype)
        turns = rotary_turns(torch.randn([rows, head_dim // 2], device=device))
        exact = run_operation(operation, False, x, y, weight, turns, e4m3)
        worst = max(worst, relative_error(run_operation(operation, True, x, y, weight, turns, e4m3), exact))
    return worst


# Measures a product of e4m3 against float32. → see relative_error
def product_error(width: int, device: torch.device, dtype: int) -> float:
    x, weight = quantise(torch.randn([259, width], device=device)), quantise(torch.randn([width, width], device=device))
    linear = Linear(weight.values, weight.scales, torch.randn([width], device=device).to(dtype), dtype)
    bias = linear.bias
    assert bias is not None
    return relative_error(linear(x), F.linear(dequantise(x), dequantise(weight), bias.float()))
