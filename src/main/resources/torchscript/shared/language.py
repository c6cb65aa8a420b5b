# Runs the language model of Qwen2.5-VL and Qwen3-VL over the packed rows of one pass.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import List, Optional

from attention import PackedSegments, attend_segments, pair_heads, pair_rotary, rotary_turns
from fused import Fused
from weights import Weights


class DecoderLayer:
    # e4m3: whether the products may be of 8 bits
    def __init__(
        self, weights: Weights, fused: Fused, prefix: str, heads: int, kv_heads: int, eps: float, e4m3: bool
    ):
        self.fused = fused
        self.heads = heads
        self.kv_heads = kv_heads
        self.eps = eps
        self.input_norm = weights.one(prefix + "input_layernorm.weight")
        self.post_attention_norm = weights.one(prefix + "post_attention_layernorm.weight")
        attention, mlp = prefix + "self_attn.", prefix + "mlp."
        qkv = [attention + "q_proj", attention + "k_proj", attention + "v_proj"]
        self.qkv = weights.linear(qkv, 1, 1, weights.has(attention + "q_proj.bias"), e4m3)
        self.q_norm = weights.optional(attention + "q_norm.weight")  # (head_dim), of Qwen3-VL
        self.k_norm = weights.optional(attention + "k_norm.weight")
        self.head_norm = self.q_norm  # of all heads, see finish
        self.o = weights.linear([attention + "o_proj"], 1, 1, False, e4m3)
        self.gate = weights.linear([mlp + "gate_proj"], 1, 1, False, e4m3)
        self.up = weights.linear([mlp + "up_proj"], 1, 1, False, e4m3)
        self.down = weights.linear([mlp + "down_proj"], 1, 1, False, e4m3)

    # Prepares the filled weights, once.
    def finish(self):
        heads = self.heads + self.kv_heads
        head_dim = self.qkv.weight.shape[0] // (heads + self.kv_heads)
        pair_rotary(self.qkv, heads, head_dim)
        q_norm, k_norm = self.q_norm, self.k_norm
        if q_norm is not None and k_norm is not None:
            norm = torch.cat([q_norm.repeat(self.heads), k_norm.repeat(self.kv_heads)])
            self.head_norm = pair_heads(norm, heads, head_dim).view(heads, head_dim)

    # Attends, without the output projection. x (rows, hidden): delta (rows, hidden) is added to it first, in place;
    # turns (rows, 1, head_dim / 2) → (rows, heads · head_dim)
    def attention(self, x: Tensor, delta: Optional[Tensor], turns: Tensor, segments: PackedSegments) -> Tensor:
        y = self.fused.add_rms(x, delta, self.input_norm, self.eps, self.qkv.e4m3)
        qkv = self.qkv(y).view(x.shape[0], self.heads + 2 * self.kv_heads, -1)  # (rows, heads, head_dim)
        q, kv = qkv.split([self.heads, 2 * self.kv_heads], dim=1)
        qk = qkv[:, : self.heads + self.kv_heads]
        head_norm = self.head_norm
        if head_norm is not None:
            qk.copy_(torch.rms_norm(qk, [qk.shape[2]], None, self.eps).mul_(head_norm))
        self.fused.rotate(qk, turns)
        return attend_segments(q, kv, segments, self.fused)

    # Adds the output projection of attended (rows, heads · head_dim) to x (rows, hidden), in place.
    # → the MLP's output (rows, hidden), to add to x, or None where it is added
    def feed_forward(self, x: Tensor, attended: Tensor) -> Optional[Tensor]:
        delta = self.o.add_to(x, self.fused.rows(attended, self.o.e4m3), self.fused.enabled)
        y = self.fused.add_rms(x, delta, self.post_attention_norm, self.eps, self.gate.e4m3)
        product = self.fused.silu_mul(self.gate(y), self.up(y), self.down.e4m3)
        return self.down.add_to(x, product, self.fused.enabled)


class LanguageModel:
    def __init__(
        self,
        weights: Weights,
        fused: Fused,
        layers: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        eps: float,
        theta: float,
        mrope_axes: List[int],
    ):
        self.fused = fused
        self.embed_tokens = weights.one("model.embed_tokens.weight")
        self.layers = [  # the last, next to the score, keeps all bits
            DecoderLayer(weights, fused, "model.layers.{}.".format(i), heads, kv_heads, eps, i < layers - 1)
            for i in range(layers)
        ]
        self.norm = weights.one("model.norm.weight")
        self.eps = eps
        device = self.norm.device
        self.inv_freq = 1.0 / (theta ** (torch.arange(0, head_dim, 2, device=device).float() / head_dim))
        self.mrope_axes = torch.tensor(mrope_axes, device=device)  # (head_dim / 2): 0 time, 1 height, 2 width

    # Prepares the filled weights, once.
    def finish(self):
        for layer in self.layers:
            layer.finish()

    # Runs all layers. tokens (rows): ids; positions (3, rows): time, height, width; last (candidates): rows to return;
    # prefixes, counts, candidates: see PackedSegments; images (cells, planes · hidden): the first plane replaces the
    # embeddings of image_rows (cells), each other is added to their hidden states behind one more layer (DeepStack)
    # → (candidates, hidden), after the final norm
    def __call__(
        self,
        tokens: Tensor,
        positions: Tensor,
        last: Tensor,
        prefixes: List[int],
        counts: List[int],
        candidates: List[int],
        image_rows: Tensor,
        images: Tensor,
        flash: bool,
    ) -> Tensor:
        x = F.embedding(self.embed_tokens, tokens)  # (rows, hidden)
        planes = images.split(x.shape[1], dim=1)
        x.index_copy_(0, image_rows, planes[0])
        angles = positions[self.mrope_axes].t() * self.inv_freq  # (rows, head_dim / 2), float32
        turns = rotary_turns(angles)
        if self.fused.enabled:
            turns = turns.contiguous()
        tile = self.fused.tile(self.layers[0].heads, self.layers[0].kv_heads)
        segments = PackedSegments(prefixes, counts, candidates, x, flash, tile)
        delta: Optional[Tensor] = None
        for i, layer in enumerate(self.layers):
            attended = layer.attention(x, delta, turns, segments)
            if i == len(self.layers) - 1:  # the other rows are no longer needed
                x, attended = x[last], attended[last]
            delta = layer.feed_forward(x, attended)
            if i + 1 < len(planes) and i + 1 < len(self.layers):
                x.index_add_(0, image_rows, planes[i + 1])
        return self.fused.add_rms(x, delta, self.norm, self.eps, False).values
