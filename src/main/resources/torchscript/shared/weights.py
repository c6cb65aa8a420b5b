# Allocates the weights on the device, fused as the network needs them, to be filled from the checkpoint in parts.
import torch
from torch import Tensor
from typing import Dict, List


# Copies a tensor of Java's to the device, same shape. Doesn't block: a copy from pinned memory runs beside the host.
def to_device(x: Tensor, device: torch.device) -> Tensor:
    if device.type == "cpu":
        return x
    return x.pin_memory().to(device, non_blocking=True)


class Weights:
    # shapes: of each tensor of the checkpoint; views: empty, receives for each tensor the view to fill
    def __init__(self, shapes: Dict[str, List[int]], views: Dict[str, Tensor], device: torch.device, dtype: int):
        self.shapes = shapes
        self.views = views
        self.device = device
        self.dtype = dtype

    # Allocates one tensor, in the checkpoint's shape.
    def one(self, name: str) -> Tensor:
        return self.stacked([name], 1, 1)

    # Allocates tensors as one, stacked by rows, each padded with zero rows and columns to these multiples.
    # tensors (rows_i, width) or (rows_i), one width → (Σ padded rows_i, padded width) or (Σ padded rows_i)
    def stacked(self, names: List[str], rows: int, columns: int) -> Tensor:
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
        x = torch.zeros(shape, device=self.device, dtype=self.dtype)
        for i, name in enumerate(names):
            view = x[starts[i] : starts[i] + self.shapes[name][0]]
            self.views[name] = view if len(shape) == 1 else view[:, :width]
        return x
