# Multiplies rows by a matrix of 16 or 32 bits, or of e4m3 with a scale a row.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import Optional

from fused import Rows


# weight (out, in); scales (out, 1) of e4m3, float32; bias (out), also the type of the product
class Linear:
    def __init__(self, weight: Tensor, scales: Optional[Tensor], bias: Optional[Tensor], dtype: int):
        self.weight = weight
        self.scales = scales
        self.bias = bias
        self.dtype = dtype
        self.e4m3 = scales is not None

    # x (rows, in) → (rows, out)
    def __call__(self, x: Rows) -> Tensor:
        scales, row_scales = self.scales, x.scales
        if scales is None or row_scales is None:
            return F.linear(x.values, self.weight, self.bias)
        return torch._scaled_mm(
            x.values, self.weight.t(), row_scales, scales.t(), self.bias, None, self.dtype, True
        )

    # Adds the product to y, in place, where PyTorch can round the sum once; else the caller adds it. No bias.
    # x (rows, in), y (rows, out); fused: whether own kernels add → None, or the product (rows, out)
    def add_to(self, y: Tensor, x: Rows, fused: bool) -> Optional[Tensor]:
        if fused or self.e4m3:
            return self(x)
        y.addmm_(x.values, self.weight.t())
        return None
