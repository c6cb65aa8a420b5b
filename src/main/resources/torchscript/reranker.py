# Qwen2.5-VL as a reranker: how much likelier "yes" is than "no" as the next token.
# Java sets the attributes from config.json, calls build, load for each part of each tensor, then finish.
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module
from typing import Dict, List, Optional

from attention import Segments, attend_segments
from language import LanguageModel
from results import Results
from vision import VisionTower
from weights import Weights, to_device


class Reranker(Module):
    device: str
    dtype: int
    flash: bool
    shapes: Dict[str, List[int]]

    vision_depth: int
    vision_heads: int
    patch: int
    merge: int
    mlp_multiple: int
    full_attention: List[int]
    vision_theta: float
    image_mean: List[float]
    image_std: List[float]

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    theta: float
    mrope_axes: List[int]

    views: Dict[str, Tensor]
    head: Optional[Tensor]
    seen: Optional[Tensor]
    results: List[Results]
    visual: Optional[VisionTower]
    language: Optional[LanguageModel]

    # Makes the network, its weights zero, and room for the vision tower's output of so many cells of images; returns
    # how many tensors there are to load.
    def build(self, cells: int) -> int:
        device = torch.device(self.device)
        weights = Weights(self.shapes, self.views, device, self.dtype)
        visual = VisionTower(
            weights,
            self.vision_depth,
            self.vision_heads,
            self.patch,
            self.merge,
            self.mlp_multiple,
            self.full_attention,
            self.vision_theta,
            self.image_mean,
            self.image_std,
        )
        self.visual = visual
        self.language = LanguageModel(
            weights,
            self.layers,
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.eps,
            self.theta,
            self.mrope_axes,
        )
        # not zeros: what the host's memory holds of it is only what was written
        self.seen = torch.empty([cells, visual.merger_out_bias.shape[0]], device=device, dtype=self.dtype)
        for _ in range(2):
            self.results.append(Results(device))
        return len(self.views)

    # Fills a tensor from this row on; from several threads at once, after build. bfloat16: the bits are bf16, whatever
    # the dtype says (the Java API has no safe bf16).
    def load(self, name: str, start: int, rows: Tensor, bfloat16: bool) -> int:
        rows = to_device(rows, torch.device(self.device))
        if bfloat16:
            rows = torch.view_copy(rows, dtype=torch.bfloat16)
        self.views[name][start : start + rows.shape[0]].copy_(rows)
        return rows.shape[0]

    # Weights that mean nothing, for benchmarks: speed doesn't depend on them.
    def randomise(self) -> int:
        for name in self.views.keys():
            view = self.views[name]
            if view.dim() > 1:
                view.normal_(0.0, 0.02)
            else:
                view.fill_(0.02 if name.endswith("bias") else 1.0)
        return len(self.views)

    # The two rows of the output matrix that are ever used, (hidden) each; the weights are complete.
    def finish(self, yes: Tensor, no: Tensor, bfloat16: bool) -> int:
        if bfloat16:
            yes = torch.view_copy(yes, dtype=torch.bfloat16)
            no = torch.view_copy(no, dtype=torch.bfloat16)
        self.head = (yes.float() - no.float()).to(torch.device(self.device))
        visual, language = self.visual, self.language
        assert visual is not None and language is not None
        visual.finish()
        language.finish()
        return len(self.views)

    # For benchmarks: the product of two random matrices, so many times; returns when it is done.
    def multiply(self, size: int, times: int) -> float:
        a = torch.randn([size, size], device=torch.device(self.device)).to(self.dtype)
        b = torch.randn([size, size], device=torch.device(self.device)) / size**0.5  # keeps the values' size
        b = b.to(self.dtype)
        for _ in range(times):
            a = F.linear(a, b)
        return float(a[0, 0].item())

    # Whether attention runs on FlashAttention's kernels from now on.
    def use_flash(self, flash: bool) -> int:
        self.flash = flash
        return 0

    # How far FlashAttention on this device is from float32, at worst, on a few random sequences; merged: on sequences
    # that make it merge attentions over prefix and candidate.
    def flash_error(self, merged: bool) -> float:
        prefixes, counts, candidates = [37, 130, 2], [3, 1, 2], [5, 64, 129, 200, 2, 31]
        if merged:
            prefixes, counts, candidates = [200, 300, 2], [12, 12, 2], [2 + i % 7 for i in range(26)]
        rows = sum(prefixes) + sum(candidates)
        device = torch.device(self.device)
        q = torch.randn([rows, self.heads, self.head_dim], device=device).to(self.dtype)
        k = torch.randn([rows, self.kv_heads, self.head_dim], device=device).to(self.dtype)
        v = torch.randn([rows, self.kv_heads, self.head_dim], device=device).to(self.dtype)
        fast = Segments(prefixes, counts, candidates, q, True)
        exact = Segments(prefixes, counts, candidates, q.float(), False)
        difference = attend_segments(q, k, v, fast).float() - attend_segments(q.float(), k.float(), v.float(), exact)
        return float(difference.abs().max().nan_to_num(1e9).item())

    # What the patch embedding sees: (bytes) → (patches, pixels), float32
    def patches(self, rgb: Tensor, heights: List[int], widths: List[int]) -> Tensor:
        visual = self.visual
        assert visual is not None
        return visual.normalise(visual.to_patches(rgb.to(torch.device(self.device)), heights, widths)).cpu()

    # See VisionTower. Keeps what it makes of the images at these places (cells), for read.
    def see(
        self,
        rgb: Tensor,
        heights: List[int],
        widths: List[int],
        order: Tensor,
        rows: Tensor,
        columns: Tensor,
        window_counts: List[int],
        window_sizes: List[int],
        image_counts: List[int],
        image_sizes: List[int],
        places: Tensor,
    ) -> int:
        visual, seen = self.visual, self.seen
        assert visual is not None and seen is not None
        device = torch.device(self.device)
        images = visual(
            to_device(rgb, device),
            heights,
            widths,
            to_device(order, device),
            to_device(rows, device),
            to_device(columns, device),
            window_counts,
            window_sizes,
            image_counts,
            image_sizes,
            self.flash,
        )
        seen.index_copy_(0, to_device(places, device), images)
        return images.shape[0]

    # What was seen at these places: (cells) → (cells, hidden), float32, on the CPU
    def recall(self, places: Tensor) -> Tensor:
        seen = self.seen
        assert seen is not None
        return seen[to_device(places, torch.device(self.device))].float().cpu()

    # See LanguageModel; the images are those seen at places (cells). → (candidates, hidden), on the device
    def read(
        self,
        tokens: Tensor,
        positions: Tensor,
        last: Tensor,
        prefixes: List[int],
        counts: List[int],
        candidates: List[int],
        image_rows: Tensor,
        places: Tensor,
    ) -> Tensor:
        language, seen = self.language, self.seen
        assert language is not None and seen is not None
        device = torch.device(self.device)
        return language(
            to_device(tokens, device),
            to_device(positions, device),
            to_device(last, device),
            prefixes,
            counts,
            candidates,
            to_device(image_rows, device),
            seen[to_device(places, device)],
            self.flash,
        )

    # hidden (candidates, hidden) → probability of yes against no (candidates), float32, on the CPU once wait returns.
    # slot: 0 or 1, of the two passes that may be under way.
    def judge(self, hidden: Tensor, slot: int) -> Tensor:
        head = self.head
        assert head is not None
        return self.results[slot].start(torch.sigmoid((hidden.float() * head).sum(-1)))

    # Returns when what judge returned for this slot is there.
    def wait(self, slot: int) -> int:
        return self.results[slot].wait()
