# The language model of Qwen2.5-VL, over the packed rows of one pass.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import List

from attention import Segments, apply_rotary, attend_segments, pair_rotary, rotary_turns
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

    # To be called once the weights are filled.
    def finish(self):
        heads = self.heads + self.kv_heads
        head_dim = self.qkv_bias.shape[0] // (heads + self.kv_heads)
        pair_rotary(self.qkv_weight, heads, head_dim)
        pair_rotary(self.qkv_bias, heads, head_dim)

    # (rows, hidden) → (rows, heads · head_dim), not yet projected
    def attention(self, x: Tensor, turns: Tensor, segments: Segments) -> Tensor:
        x = torch.rms_norm(x, [x.shape[1]], self.input_norm, self.eps)
        # two products, so that what is to be rotated lies in one piece
        heads = self.heads + self.kv_heads
        end = self.qkv_bias.shape[0] // (heads + self.kv_heads) * heads
        qk = F.linear(x, self.qkv_weight[:end], self.qkv_bias[:end]).view(x.shape[0], heads, -1)
        v = F.linear(x, self.qkv_weight[end:], self.qkv_bias[end:]).view(x.shape[0], self.kv_heads, -1)
        q, k = apply_rotary(qk, turns).split([self.heads, self.kv_heads], dim=1)  # (rows, heads, head_dim)
        return attend_segments(q, k, v, segments)

    # adds to x (rows, hidden), in place, what the MLP makes of it
    def feed_forward(self, x: Tensor):
        y = torch.rms_norm(x, [x.shape[1]], self.post_attention_norm, self.eps)
        # in place and not as halves of one product: strided halves, fused or not, cost twice the time
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

    # To be called once the weights are filled.
    def finish(self):
        for layer in self.layers:
            layer.finish()

    # tokens (rows) ids; positions (3, rows) time, height, width; last: the rows whose result is wanted;
    # images (cells, hidden) stand in for the tokens at image_rows (cells) → (last, hidden), after the final norm
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
        segments = Segments(prefixes, counts, candidates, x, flash)
        for i, layer in enumerate(self.layers):
            attended = layer.attention(x, turns, segments)
            if i == len(self.layers) - 1:  # nothing looks at the other rows any more
                x, attended = x[last], attended[last]
            x.addmm_(attended, layer.o_weight.t())
            layer.feed_forward(x)
        return torch.rms_norm(x, [x.shape[1]], self.norm, self.eps)
