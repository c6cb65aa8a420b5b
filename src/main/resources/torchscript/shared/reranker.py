# Scores candidates: the probability of "yes" against "no" as the next token.
# Java sets the attributes from config.json, then calls build, load for each part of each tensor, and finish.
import torch
from torch import Tensor
from torch.nn import Module
from typing import Dict, List, Optional

from attention import Blocks, PackedSegments, attend_blocks, attend_segments
from fused import Fused
from language import LanguageModel
from results import Results
from selfcheck import operation_error, product_error
from vision import VisionTower
from weights import Weights, to_device


class Reranker(Module):
    device: str
    dtype: int
    e4m3: bool
    flash: bool
    fused: Optional[Fused]
    shapes: Dict[str, List[int]]

    vision_sizes: Dict[str, int]  # see VisionTower
    vision_layers: Dict[str, List[int]]
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
    scales: Dict[str, Tensor]
    weights: Optional[Weights]
    head: Optional[Tensor]
    vision_cache: Optional[Tensor]
    results: List[Results]
    visual: Optional[VisionTower]
    language: Optional[LanguageModel]

    # Allocates the network with zero weights, and a vision cache of this many cells. → number of tensors to load
    def build(self, cells: int) -> int:
        device = torch.device(self.device)
        weights = Weights(self.shapes, self.views, self.scales, device, self.dtype, self.e4m3)
        self.weights = weights
        fused = Fused()
        self.fused = fused
        visual = VisionTower(
            weights,
            fused,
            self.vision_sizes,
            self.vision_layers,
            self.vision_theta,
            self.image_mean,
            self.image_std,
        )
        self.visual = visual
        self.language = LanguageModel(
            weights,
            fused,
            self.layers,
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.eps,
            self.theta,
            self.mrope_axes,
        )
        # not zeros: the host then holds only pages that were written
        self.vision_cache = torch.empty([cells, visual.cell_width], device=device, dtype=self.dtype)
        for _ in range(2):
            self.results.append(Results(device))
        return len(self.views)

    # Fills rows of a tensor, from this row on; from several threads at once. rows (count, …), on the CPU; bfloat16:
    # their bits are bf16 despite the dtype, because the Java API has no safe bf16. → count
    def load(self, name: str, start: int, rows: Tensor, bfloat16: bool) -> int:
        rows = to_device(rows, torch.device(self.device))
        if bfloat16:
            rows = torch.view_copy(rows, dtype=torch.bfloat16)
        weights = self.weights
        assert weights is not None
        weights.fill(name, start, rows)
        return rows.shape[0]

    # Completes the network after the last load. yes, no: their rows of the output matrix, (1, hidden) or (hidden)
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

    # Selects FlashAttention's kernels, or the plain ones, for the next passes.
    def use_flash(self, flash: bool) -> int:
        self.flash = flash
        return 0

    # Selects own kernels, or PyTorch's operations, for the next passes. attends: own attention too
    def use_fused(self, enabled: bool, attends: bool) -> int:
        fused = self.fused
        assert fused is not None
        fused.enabled = enabled
        fused.attends = attends
        return 0

    # Measures an operation of Fused with own kernels on rows of this network's widths: see operation_error.
    def fused_error(self, operation: str, e4m3: bool) -> float:
        visual, language = self.visual, self.language
        assert visual is not None and language is not None
        device = torch.device(self.device)
        worst = 0.0
        for down in [visual.blocks[0].down, language.layers[0].down]:
            hidden, intermediate = down.weight.shape[0], down.weight.shape[1]
            head_dim = self.head_dim if hidden == language.norm.shape[0] else hidden // self.vision_sizes["heads"]
            width = intermediate if operation == "silu_mul" else hidden
            if operation == "rotate":
                width = hidden // head_dim * head_dim  # whole heads
            worst = max(worst, operation_error(operation, width, head_dim, device, self.dtype, e4m3))
        return worst

    # Measures a product of e4m3 on this device, before weights are loaded: see product_error.
    def e4m3_error(self) -> float:
        return product_error(self.heads * self.head_dim, torch.device(self.device), self.dtype)

    # Measures own attention, or FlashAttention, on this device against float32 on random sequences of either tower;
    # merged: so long that FlashAttention over prefix and candidate is merged. → largest absolute difference
    def attention_error(self, own: bool, merged: bool) -> float:
        fused = Fused()
        fused.attends = own
        prefixes, counts, candidates = [37, 130, 2], [3, 1, 2], [5, 64, 129, 200, 2, 31]
        if merged:
            prefixes, counts, candidates = [200, 300, 2], [12, 12, 2], [2 + i % 7 for i in range(26)]
        rows = sum(prefixes) + sum(candidates)
        device = torch.device(self.device)
        q = torch.randn([rows, self.heads, self.head_dim], device=device).to(self.dtype)
        kv = torch.randn([rows, 2 * self.kv_heads, self.head_dim], device=device).to(self.dtype)
        fast = PackedSegments(prefixes, counts, candidates, q, not own, fused.tile(self.heads, self.kv_heads))
        exact = PackedSegments(prefixes, counts, candidates, q.float(), False, 0)
        difference = attend_segments(q, kv, fast, fused).float() - attend_segments(q.float(), kv.float(), exact, fused)
        error = difference.abs().max()
        visual = self.visual
        assert visual is not None
        heads = self.vision_sizes["heads"]
        head_dim = visual.blocks[0].down.weight.shape[0] // heads
        q, k, v = torch.randn([rows, 3 * heads, head_dim], device=device).to(self.dtype).chunk(3, 1)
        lengths = prefixes + candidates
        fast_blocks = Blocks(lengths, device, not own, fused.tile(1, 1))
        exact_blocks = Blocks(lengths, device, False, 0)
        difference = attend_blocks(q, k, v, fast_blocks, fused).float()
        difference = difference - attend_blocks(q.float(), k.float(), v.float(), exact_blocks, fused)
        return float(torch.maximum(error, difference.abs().max()).nan_to_num(1e9).item())

    # Computes the input of the patch embedding, for tests. rgb (bytes) → (patches, pixels), float32, on the CPU
    def patches(self, rgb: Tensor, heights: List[int], widths: List[int]) -> Tensor:
        visual = self.visual
        assert visual is not None
        return visual.patches.normalise(visual.patches.cut(rgb.to(torch.device(self.device)), heights, widths)).cpu()

    # Encodes images into these places (cells) of the vision cache, for forward. Other arguments: see VisionTower.
    # → number of cells
    def encode_images(
        self,
        rgb: Tensor,
        heights: List[int],
        widths: List[int],
        order: Tensor,
        rows: Tensor,
        columns: Tensor,
        windows: List[int],
        images: List[int],
        places: Tensor,
    ) -> int:
        visual, vision_cache = self.visual, self.vision_cache
        assert visual is not None and vision_cache is not None
        device = torch.device(self.device)
        cells = visual(
            to_device(rgb, device),
            heights,
            widths,
            to_device(order, device),
            to_device(rows, device),
            to_device(columns, device),
            windows,
            images,
            self.flash,
        )
        vision_cache.index_copy_(0, to_device(places, device), cells)
        return cells.shape[0]

    # Copies these places of the vision cache, for tests. places (cells) → (cells, planes · hidden), float32, on the CPU
    def cached_images(self, places: Tensor) -> Tensor:
        vision_cache = self.vision_cache
        assert vision_cache is not None
        return vision_cache[to_device(places, torch.device(self.device))].float().cpu()

    # Runs the language model on images at these places (cells) of the vision cache. Other arguments: see LanguageModel.
    # → (candidates, hidden), on the device
    def forward(
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
        language, vision_cache = self.language, self.vision_cache
        assert language is not None and vision_cache is not None
        device = torch.device(self.device)
        return language(
            to_device(tokens, device),
            to_device(positions, device),
            to_device(last, device),
            prefixes,
            counts,
            candidates,
            to_device(image_rows, device),
            vision_cache[to_device(places, device)],
            self.flash,
        )

    # Computes the logit of yes less that of no. hidden (candidates, hidden) → (candidates), float32, on the CPU,
    # complete after wait. slot: 0 or 1, one for each pass in flight
    def score(self, hidden: Tensor, slot: int) -> Tensor:
        head = self.head
        assert head is not None
        return self.results[slot].start((hidden.float() * head).sum(-1))

    # Returns when the scores of this slot are complete.
    def wait(self, slot: int) -> int:
        return self.results[slot].wait()
