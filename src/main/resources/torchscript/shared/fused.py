# Computes with own kernels (folder cuda) where they passed their check, else with PyTorch's operations. Those of
# rows.cu read and write each number once; that of attention.cu replaces FlashAttention.
import torch
from torch import Tensor
from typing import Optional


# Holds rows as a product takes them. values (rows, width): 16 or 32 bits, or e4m3; scales (rows, 1) of e4m3, float32
class Rows:
    def __init__(self, values: Tensor, scales: Optional[Tensor]):
        self.values = values
        self.scales = scales


# Converts each row to e4m3, its largest number to 448. x (rows, width) → x = values · scales
def quantise(x: Tensor) -> Rows:
    x = x.float()
    scales = x.abs().amax(1, keepdim=True).clamp(1e-12) / 448.0
    return Rows((x / scales).to(torch.float8_e4m3fn), scales)


def empty_rows(x: Tensor) -> Rows:
    values = torch.empty(x.shape, device=x.device, dtype=torch.float8_e4m3fn)
    return Rows(values, torch.empty([x.shape[0], 1], device=x.device))


class Fused:
    def __init__(self):
        self.enabled = False
        self.attends = False  # own attention too

    # Returns the most tokens of a tile, see attention.cut_tiles: 64 rows, one each query head that shares keys. 0: none
    def tile(self, heads: int, kv_heads: int) -> int:
        return 64 // (heads // kv_heads) if self.attends else 0

    # Attends within tiles. q (rows, heads, head_dim), k and v (rows, kv_heads, head_dim), each parts of wider rows;
    # tiles (tiles, 5): see attention.cut_tiles → (rows, heads · head_dim)
    def attend(self, q: Tensor, k: Tensor, v: Tensor, tiles: Tensor) -> Tensor:
        y = torch.empty([q.shape[0], q.shape[1] * q.shape[2]], device=q.device, dtype=q.dtype)
        torch.ops.lychee.attend_(q, k, v, tiles, y)
        return y

    # Adds delta to x, in place, and normalises the sum. x, delta (rows, width), weight (width)
    # → x / rms(x) · weight, as e4m3 or in the type of x
    def add_rms(self, x: Tensor, delta: Optional[Tensor], weight: Tensor, eps: float, e4m3: bool) -> Rows:
        if not self.enabled:
            if delta is not None:
                x.add_(delta)
            y = torch.rms_norm(x, [x.shape[1]], weight, eps)
            return quantise(y) if e4m3 else Rows(y, None)
        delta = x[:0] if delta is None else delta  # none to add
        if not e4m3:
            y = torch.empty_like(x)
            torch.ops.lychee.add_rms_(x, delta, weight, y, eps)
            return Rows(y, None)
        rows = empty_rows(x)
        scales = rows.scales
        assert scales is not None
        torch.ops.lychee.add_rms_e4m3_(x, delta, weight, rows.values, scales, eps)
        return rows

    # Multiplies silu(gate), silu(x) = x / (1 + exp(-x)), by up. gate, up (rows, width); gate is overwritten
    def silu_mul(self, gate: Tensor, up: Tensor, e4m3: bool) -> Rows:
        if not self.enabled:
            y = torch.silu_(gate).mul_(up)
            return quantise(y) if e4m3 else Rows(y, None)
        if not e4m3:
            torch.ops.lychee.silu_mul_(gate, up)
            return Rows(gate, None)
        rows = empty_rows(gate)
        scales = rows.scales
        assert scales is not None
        torch.ops.lychee.silu_mul_e4m3_(gate, up, rows.values, scales)
        return rows

    # Converts rows for a product. x (rows, width)
    def rows(self, x: Tensor, e4m3: bool) -> Rows:
        if not e4m3:
            return Rows(x, None)
        if not self.enabled:
            return quantise(x)
        rows = empty_rows(x)
        scales = rows.scales
        assert scales is not None
        torch.ops.lychee.e4m3_(x, rows.values, scales)
        return rows

    # Rotates each head by its row's angles, in place, computed in float32.
    # x (rows, heads, head_dim), pairs adjacent; turns (rows, 1, head_dim / 2), complex → x
    def rotate(self, x: Tensor, turns: Tensor) -> Tensor:
        if self.enabled:
            torch.ops.lychee.rotate_(x, torch.view_as_real(turns))
        else:
            turned = x.float()
            torch.view_as_complex(turned.view(x.shape[0], x.shape[1], -1, 2)).mul_(turns)
            x.copy_(turned)
        return x
