# Where the checkpoint's tensors go: made empty on the device, fused as the network wants them, then filled part by part.
import torch
from torch import Tensor
from typing import Dict, List


# What Java hands in, on the device of the network. Waits for nothing: from pinned memory a copy runs beside the host.
def to_device(x: Tensor, device: torch.device) -> Tensor:
    if device.type == "cpu":
        return x
    return x.pin_memory().to(device, non_blocking=True)


class Weights:
    # views: empty; takes for each tensor of the checkpoint the place where its numbers belong
    def __init__(self, shapes: Dict[str, List[int]], views: Dict[str, Tensor], device: torch.device, dtype: int):
        self.shapes = shapes
        self.views = views
        self.device = device
        self.dtype = dtype

    # One tensor as it is.
    def one(self, name: str) -> Tensor:
        return self.stacked([name], 1, 1)

    # Tensors of one shape but for their rows as one, each padded with zero rows and columns to these multiples.
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
