# The language model of Qwen2.5-VL, over the packed rows of one pass.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import Dict, List, Optional

from attention import Segments, apply_rotary, attend_segments


class DecoderLayer:
    def __init__(self, weights: Dict[str, Tensor], prefix: str, heads: int, kv_heads: int, eps: float):
        self.heads = heads
        self.kv_heads = kv_heads
        self.eps = eps
        self.input_norm = weights.pop(prefix + "input_layernorm.weight")
        self.post_attention_norm = weights.pop(prefix + "post_attention_layernorm.weight")
        attention = prefix + "self_attn."
        self.qkv_weight = torch.cat(
            [
                weights.pop(attention + "q_proj.weight"),
                weights.pop(attention + "k_proj.weight"),
                weights.pop(attention + "v_proj.weight"),
            ]
        )
        self.qkv_bias = torch.cat(
            [
                weights.pop(attention + "q_proj.bias"),
                weights.pop(attention + "k_proj.bias"),
                weights.pop(attention + "v_proj.bias"),
            ]
        )
        self.o_weight = weights.pop(attention + "o_proj.weight")
        self.gate_up_weight = torch.cat(
            [weights.pop(prefix + "mlp.gate_proj.weight"), weights.pop(prefix + "mlp.up_proj.weight")]
        )
        self.down_weight = weights.pop(prefix + "mlp.down_proj.weight")

    # (rows, hidden) → (rows, heads · head_dim), not yet projected
    def attention(self, x: Tensor, cos: Tensor, sin: Tensor, segments: Segments) -> Tensor:
        x = torch.rms_norm(x, [x.shape[1]], self.input_norm, self.eps)
        qkv = F.linear(x, self.qkv_weight, self.qkv_bias).view(x.shape[0], self.heads + 2 * self.kv_heads, -1)
        q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)  # (rows, heads or kv_heads, head_dim)
        return attend_segments(apply_rotary(q, cos, sin), apply_rotary(k, cos, sin), v, segments)

    # what the layer makes of its input x (rows, hidden) and of attended (rows, heads · head_dim) → (rows, hidden)
    def feed_forward(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + F.linear(attended, self.o_weight)
        y = torch.rms_norm(x, [x.shape[1]], self.post_attention_norm, self.eps)
        gate, up = F.linear(y, self.gate_up_weight).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, self.down_weight)


class LanguageModel:
    def __init__(
        self,
        weights: Dict[str, Tensor],
        layers: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        eps: float,
        theta: float,
        mrope_axes: List[int],
    ):
        self.embed_tokens = weights.pop("model.embed_tokens.weight")
        self.layers = [
            DecoderLayer(weights, "model.layers.{}.".format(i), heads, kv_heads, eps) for i in range(layers)
        ]
        self.norm = weights.pop("model.norm.weight")
        self.eps = eps
        device = self.norm.device
        self.inv_freq = 1.0 / (theta ** (torch.arange(0, head_dim, 2, device=device).float() / head_dim))
        self.mrope_axes = torch.tensor(mrope_axes, device=device)  # (head_dim / 2): 0 time, 1 height, 2 width

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
        images: Optional[Tensor],
    ) -> Tensor:
        x = F.embedding(self.embed_tokens, tokens)  # (rows, hidden)
        if images is not None:
            x = x.index_copy(0, image_rows, images)
        angles = positions[self.mrope_axes].t() * self.inv_freq  # (rows, head_dim / 2), float32
        cos, sin = angles.cos(), angles.sin()
        segments = Segments(prefixes, counts, candidates, x)
        for i, layer in enumerate(self.layers):
            attended = layer.attention(x, cos, sin, segments)
            if i == len(self.layers) - 1:  # nothing looks at the other rows any more
                x, attended = x[last], attended[last]
            x = layer.feed_forward(x, attended)
        return torch.rms_norm(x, [x.shape[1]], self.norm, self.eps)
