# Hands scores from the device to Java: copies them into pinned memory, queued after the pass that computes them. The
# host can queue the next pass meanwhile, and waits for this copy alone.
import torch
from torch import Tensor


class Results:
    def __init__(self, device: torch.device):
        self.device = device
        self.done = torch.cuda.Event(False, True, False)  # no timing; wait blocks, without spinning

    # Starts the copy. scores (candidates), float32, on the device → (candidates), on the CPU, complete after wait
    def start(self, scores: Tensor) -> Tensor:
        host = torch.empty(scores.shape, dtype=torch.float32, pin_memory=True)
        host.copy_(scores, non_blocking=True)
        self.done.record(torch.cuda.current_stream(self.device))
        return host

    # Returns when the last copy is complete.
    def wait(self) -> int:
        self.done.synchronize()
        return 0
