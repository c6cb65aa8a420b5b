# Hands scores from the device to Java: on the CPU without a copy.
import torch
from torch import Tensor


class Results:
    def __init__(self, device: torch.device):
        self.device = device

    # Starts the copy. scores (candidates), float32, on the device → (candidates), on the CPU, complete after wait
    def start(self, scores: Tensor) -> Tensor:
        return scores

    # Returns when the last copy is complete.
    def wait(self) -> int:
        return 0
