# Scores on their way from the device to Java; on the CPU they are there at once.
import torch
from torch import Tensor


class Results:
    def __init__(self, device: torch.device):
        self.device = device

    # (candidates), float32, on the device → where they will be once wait returns
    def start(self, scores: Tensor) -> Tensor:
        return scores

    def wait(self) -> int:
        return 0
