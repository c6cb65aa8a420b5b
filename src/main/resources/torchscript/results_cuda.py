# Scores on their way from the device to Java: copied into pinned memory behind the pass that makes them, so that the
# host can queue the next pass in the meantime and then waits for no more than these.
import torch
from torch import Tensor


class Results:
    def __init__(self, device: torch.device):
        self.device = device
        self.done = torch.cuda.Event(False, True, False)  # no timing; waiting blocks, it doesn't spin

    # (candidates), float32, on the device → where they will be once wait returns
    def start(self, scores: Tensor) -> Tensor:
        host = torch.empty(scores.shape, dtype=torch.float32, pin_memory=True)
        host.copy_(scores, non_blocking=True)
        self.done.record(torch.cuda.current_stream(self.device))
        return host

    def wait(self) -> int:
        self.done.synchronize()
        return 0
