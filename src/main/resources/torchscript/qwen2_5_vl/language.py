# Runs the language model of Qwen2.5-VL over the packed rows of one pass.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import List

from attention import PackedSegments, apply_rotary, attend_segments, pair_rotary, rotary_turns
from weights import Weights


class DecoderLayer:
    def __init__(self, weights: Weights, prefix: str, heads: int, kv_heads: int, eps: float):
        self.heads = heads
        self.kv_heads = kv_heads
        self.eps = eps
        self.input_norm = weights.one(prefix + "input_layernorm.weight")
        self.post_attention_norm = weights.one(prefix + "post_attention_layernorm.weight")
        q, k, v = prefix + "self_attn.q_proj.", prefix + "self_attn.k_proj.", prefix + "self_attn.v_proj."
        self.qkv_weight = weights.stacked([q + "weight", k + "weight", v + "weight"], 1, 1)
        self.qkv_bias = weights.stacked([q + "bias", k + "bias", v + "bias"], 1, 1)
        self.o_weight = weights.one(prefix + "self_attn.o_proj.weight")
        self.gate_weight = weights.one(prefix + "mlp.gate_proj.weight")
        self.up_weight = weights.one(prefix + "mlp.up_proj.weight")
        self.down_weight = weights.one(prefix + "mlp.down_proj.weight")

    # Prepares the filled weights, once.
    def finish(self):
        heads = self.heads + self.kv_heads
        head_dim = self.qkv_bias.shape[0] // (heads + self.kv_heads)
        pair_rotary(self.qkv_weight, heads, head_dim)
        pair_rotary(self.qkv_bias, heads, head_dim)

    # Attends, without the output projection. x (rows, hidden), turns (rows, 1, head_dim / 2) → (rows, heads · head_dim)
    def attention(self, x: Tensor, turns: Tensor, segments: PackedSegments) -> Tensor:
        x = torch.rms_norm(x, [x.shape[1]], self.input_norm, self.eps)
        # two products, so that queries and keys are contiguous for the rotation
        heads = self.heads + self.kv_heads
        end = self.qkv_bias.shape[0] // (heads + self.kv_heads) * heads
        qk = F.linear(x, self.qkv_weight[:end], self.qkv_bias[:end]).view(x.shape[0], heads, -1)
        v = F.linear(x, self.qkv_weight[end:], self.qkv_bias[end:]).view(x.shape[0], self.kv_heads, -1)
        q, k = apply_rotary(qk, turns).split([self.heads, self.kv_heads], dim=1)  # (rows, heads, head_dim)
        return attend_segments(q, k, v, segments)

    # Adds the MLP's output to x (rows, hidden), in place.
    def feed_forward(self, x: Tensor):
        y = torch.rms_norm(x, [x.shape[1]], self.post_attention_norm, self.eps)
        # two products in place: strided halves of one product, fused or not, take twice the time
        gate = torch.silu_(F.linear(y, self.gate_weight)).mul_(F.linear(y, self.up_weight))
        x.addmm_(gate, self.down_weight.t())


class LanguageModel:
    def __init__(
        self,
        weights: Weights,
        layers: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        eps: float,
        theta: float,
        mrope_axes: List[int],
    ):
        self.embed_tokens = weights.one("model.embed_tokens.weight")
        self.layers = [
            DecoderLayer(weights, "model.layers.{}.".format(i), heads, kv_heads, eps) for i in range(layers)
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
    # prefixes, counts, candidates: see PackedSegments; images (cells, hidden): replace the embeddings of image_rows
    # (cells) → (candidates, hidden), after the final norm
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
        x.index_copy_(0, image_rows, images)
        angles = positions[self.mrope_axes].t() * self.inv_freq  # (rows, head_dim / 2), float32
        turns = rotary_turns(angles)
        segments = PackedSegments(prefixes, counts, candidates, x, flash)
        for i, layer in enumerate(self.layers):
            attended = layer.attention(x, turns, segments)
            if i == len(self.layers) - 1:  # the other rows are no longer needed
                x, attended = x[last], attended[last]
            x.addmm_(attended, layer.o_weight.t())
            layer.feed_forward(x)
        return torch.rms_norm(x, [x.shape[1]], self.norm, self.eps)
