# Allocates the weights on the device, fused as the network needs them, to be filled from the checkpoint in parts.
import torch
from torch import Tensor
from typing import Dict, List, Optional

from fused import quantise
from linear import Linear


# Copies a tensor of Java's to the device, same shape. Doesn't block: a copy from pinned memory runs beside the host.
def to_device(x: Tensor, device: torch.device) -> Tensor:
    if device.type == "cpu":
        return x
    return x.pin_memory().to(device, non_blocking=True)


class Weights:
    # shapes: of each tensor of the checkpoint; views and scales: empty, receive for each tensor the view to fill;
    # e4m3: whether products may have weights of 8 bits
    def __init__(
        self,
        shapes: Dict[str, List[int]],
        views: Dict[str, Tensor],
        scales: Dict[str, Tensor],
        device: torch.device,
        dtype: int,
        e4m3: bool,
    ):
        self.shapes = shapes
        self.views = views
        self.scales = scales
        self.device = device
        self.dtype = dtype
        self.e4m3 = e4m3

    # Allocates one tensor, in the checkpoint's shape.
    def one(self, name: str) -> Tensor:
        return self.stacked([name], 1, 1, self.dtype)

    # Allocates a tensor that only some networks have.
    def optional(self, name: str) -> Optional[Tensor]:
        return self.one(name) if self.has(name) else None

    # Returns whether this network has the tensor.
    def has(self, name: str) -> bool:
        return name in self.shapes

    # Allocates tensors as one, stacked by rows, each padded with zero rows and columns to these multiples.
    # tensors (rows_i, width) or (rows_i), one width → (Σ padded rows_i, padded width) or (Σ padded rows_i)
    def stacked(self, names: List[str], rows: int, columns: int, dtype: int) -> Tensor:
        shape = self.shapes[names[0]].copy()
        width = 1 if len(shape) == 1 else shape[1]
        starts: List[int] = []
        end = 0
        for name in names:
            starts.append(end)
            end += (self.shapes[name][0] + rows - 1) // rows * rows
        shape[0] = end
        if len(shape) > 1:
            shape[1] = (width + columns - 1) // columns * columns
        x = torch.zeros(shape, device=self.device, dtype=dtype)
        for i, name in enumerate(names):
            view = x[starts[i] : starts[i] + self.shapes[name][0]]
            self.views[name] = view if len(shape) == 1 else view[:, :width]
        return x

    # Allocates the matrices of these modules as one, with their biases: see stacked.
    # e4m3: 8 bits where the network is to have them
    def linear(self, modules: List[str], rows: int, columns: int, bias: bool, e4m3: bool) -> Linear:
        names = [module + ".weight" for module in modules]
        eight_bits = e4m3 and self.e4m3
        weight = self.stacked(names, rows, columns, torch.float8_e4m3fn if eight_bits else self.dtype)
        scales: Optional[Tensor] = None
        if eight_bits:
            all_scales = torch.ones([weight.shape[0], 1], device=self.device)
            start = 0
            for name in names:
                self.scales[name] = all_scales[start : start + self.shapes[name][0]]
                start += (self.shapes[name][0] + rows - 1) // rows * rows
            scales = all_scales
        biases: Optional[Tensor] = None
        if bias:
            biases = self.stacked([module + ".bias" for module in modules], rows, 1, self.dtype)
        return Linear(weight, scales, biases, self.dtype)

    # Fills rows of a tensor, from this row on; from several threads at once. rows (count, …), on the device
    def fill(self, name: str, start: int, rows: Tensor):
        view = self.views[name][start : start + rows.shape[0]]
        if name in self.scales:
            quantised = quantise(rows)
            scales = quantised.scales
            assert scales is not None
            view.copy_(quantised.values)
            self.scales[name][start : start + rows.shape[0]].copy_(scales)
        else:
            view.copy_(rows)
