"""A small Qwen2.5-VL, and a fast forward of it that shares the weights of transformers' own module.

transformers walks images one by one and pads prompts; training needs neither. `FastForward` runs pictures of one size as
one batch and scores eight candidates a prompt: the prefix once, then each candidate seeing the prefix and itself. The
numbers are those of the module's own forward (`check` in train.py).
"""
import torch
import torch.nn.functional as F
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
MIN_PIXELS, MAX_PIXELS = 11760, 16384            # any picture becomes 15 to 20 merged cells (a few more when very long)
GRIDS = [(4, 4), (3, 5), (5, 3), (4, 5), (5, 4), (3, 6), (6, 3)]   # merged cells (rows, columns) met in training
IMAGE_TOKENS = 20                                # the most of one picture, the width of its slot


def build(tokenizer, seed=0):
    """Randomly initialised transformers model; tokenizer: tokenizers.Tokenizer."""
    torch.manual_seed(seed)
    ids = {t: tokenizer.token_to_id(t) for t in ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|endoftext|>", "<|im_end|>")}
    vocabulary = (tokenizer.get_vocab_size() + 63) // 64 * 64
    text = dict(hidden_size=256, intermediate_size=704, num_hidden_layers=5, num_attention_heads=4, num_key_value_heads=2, vocab_size=vocabulary,
                rms_norm_eps=1e-6, max_position_embeddings=4096, tie_word_embeddings=True, bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|im_end|>"],
                rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [8, 12, 12]})
    vision = dict(depth=4, hidden_size=192, intermediate_size=512, num_heads=4, out_hidden_size=256, patch_size=14, window_size=112, in_channels=3,
                  fullatt_block_indexes=[1, 3], spatial_merge_size=2, temporal_patch_size=2, tokens_per_second=2, hidden_act="silu")
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, image_token_id=ids["<|image_pad|>"],
                              video_token_id=ids["<|video_pad|>"], vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"])
    model = Qwen2_5_VLForConditionalGeneration._from_config(config, attn_implementation="sdpa").float()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("bias"):
                p.zero_()
            elif p.dim() == 2 and "visual" in name:
                p.normal_(0, p.shape[1] ** -0.5)
    return model


def rotate(x, cos, sin):
    """Rotary embedding of x (..., heads, n, d) with cos, sin (..., 1|heads, n, d)."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def vision_block(x, cos, sin, mask, heads, w):
    """x (N, patches, hidden); mask None or (patches, patches) to add."""
    n1, qkv_w, qkv_b, o_w, o_b, n2, gu_w, gu_b, d_w, d_b = w
    h = F.linear(F.rms_norm(x, x.shape[-1:], n1, 1e-6), qkv_w, qkv_b)
    h = h.view(*h.shape[:2], 3 * heads, -1).transpose(1, 2)
    q, k = rotate(h[:, :2 * heads], cos, sin).split(heads, 1)
    h = F.scaled_dot_product_attention(q, k, h[:, 2 * heads:], attn_mask=mask)
    x = x + F.linear(h.transpose(1, 2).flatten(2), o_w, o_b)
    gate, up = F.linear(F.rms_norm(x, x.shape[-1:], n2, 1e-6), gu_w, gu_b).chunk(2, -1)
    return x + F.linear(F.silu(gate) * up, d_w, d_b)


def text_block(x, cos, sin, mask, heads, w):
    """x (B, L, hidden); mask (B, 1, L, L) to add."""
    n1, qkv_w, qkv_b, o_w, n2, gu_w, d_w = w
    h = F.linear(F.rms_norm(x, x.shape[-1:], n1, 1e-6), qkv_w, qkv_b)
    h = h.view(*h.shape[:2], -1, x.shape[-1] // heads).transpose(1, 2)
    shared = (h.shape[1] - heads) // 2                      # key-value heads
    q, k = rotate(h[:, :heads + shared], cos, sin).split((heads, shared), 1)
    k, v = (t.repeat_interleave(heads // shared, 1) for t in (k, h[:, heads + shared:]))
    h = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    x = x + F.linear(h.transpose(1, 2).flatten(2), o_w)
    gate, up = F.linear(F.rms_norm(x, x.shape[-1:], n2, 1e-6), gu_w).chunk(2, -1)
    return x + F.linear(F.silu(gate) * up, d_w)


class FastForward:
    def __init__(self, model):
        self.model, self.config = model, model.config
        self.device = next(model.parameters()).device
        v, t = self.config.vision_config, self.config.text_config
        self.v_heads, self.t_heads = v.num_heads, t.num_attention_heads
        dim = v.hidden_size // v.num_heads // 2
        self.v_freq = 1e4 ** -(torch.arange(0, dim, 2, device=self.device).float() / dim)
        dim = t.hidden_size // t.num_attention_heads
        self.t_freq = t.rope_parameters["rope_theta"] ** -(torch.arange(0, dim, 2, device=self.device).float() / dim)
        self.axis = torch.repeat_interleave(torch.arange(3), torch.tensor(t.rope_parameters["mrope_section"])).to(self.device)
        self.mean, self.std = (torch.tensor(x, device=self.device).view(1, 3, 1, 1) * 255 for x in (MEAN, STD))
        self.geometry = {}

    def cast(self, dtype):
        """The weights of one step in `dtype` , gradients flowing back to the module's own."""
        c = lambda p: p if p is None or dtype == torch.float32 else p.to(dtype)
        lin = lambda m: (c(m.weight), c(m.bias)) if m.bias is not None else (c(m.weight),)
        vis, lm = self.model.model.visual, self.model.model.language_model
        cat = lambda *modules: tuple(torch.cat(t) for t in zip(*map(lin, modules)))     # several projections as one
        self.v_weights = [(c(b.norm1.weight), *lin(b.attn.qkv), *lin(b.attn.proj), c(b.norm2.weight), *cat(b.mlp.gate_proj, b.mlp.up_proj), *lin(b.mlp.down_proj))
                          for b in vis.blocks]
        self.t_weights = [(c(b.input_layernorm.weight), *cat(b.self_attn.q_proj, b.self_attn.k_proj, b.self_attn.v_proj), *lin(b.self_attn.o_proj),
                           c(b.post_attention_layernorm.weight), *cat(b.mlp.gate_proj, b.mlp.up_proj), *lin(b.mlp.down_proj)) for b in lm.layers]
        self.patch = c(vis.patch_embed.proj.weight.sum(2).flatten(1))      # a still picture is its frame twice
        self.merger = (c(vis.merger.ln_q.weight), *lin(vis.merger.mlp[0]), *lin(vis.merger.mlp[2]))
        self.table, self.norm, self.dtype = lm.embed_tokens.weight, lm.norm.weight, dtype

    def grid_geometry(self, rows, cols):
        """cos, sin (4·rows·cols, head dim) and the window mask of a grid of merged cells, patches in 2x2-block order."""
        if (rows, cols) not in self.geometry:
            y, x = torch.meshgrid(torch.arange(2 * rows), torch.arange(2 * cols), indexing="ij")
            order = lambda t: t.reshape(rows, 2, cols, 2).transpose(1, 2).reshape(-1).to(self.device)
            y, x = order(y), order(x)
            angle = torch.cat((y[:, None] * self.v_freq, x[:, None] * self.v_freq), 1)
            window = y // 8 * 1000 + x // 8
            mask = window[:, None] == window[None]
            self.geometry[rows, cols] = (torch.cat((angle, angle), 1).cos(), torch.cat((angle, angle), 1).sin(), None if mask.all() else mask)
        return self.geometry[rows, cols]

    def vision(self, pixels):
        """uint8 (N, 3, 28·rows, 28·cols) -> (N, rows·cols, text hidden)."""
        n, rows, cols = len(pixels), pixels.shape[2] // 28, pixels.shape[3] // 28
        cos, sin, mask = self.grid_geometry(rows, cols)
        cos, sin = cos.to(self.dtype), sin.to(self.dtype)
        x = ((pixels.float() - self.mean) / self.std).to(self.dtype)
        x = x.view(n, 3, rows, 2, 14, cols, 2, 14).permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(n, rows * cols * 4, 588)
        x = F.linear(x, self.patch)
        full = self.config.vision_config.fullatt_block_indexes
        for i, w in enumerate(self.v_weights):
            x = vision_block(x, cos, sin, None if i in full else mask, self.v_heads, w)
        ln, w0, b0, w2, b2 = self.merger
        x = F.rms_norm(x, x.shape[-1:], ln, 1e-6).view(n, rows * cols, -1)
        return F.linear(F.gelu(F.linear(x, w0, b0)), w2, b2)

    def text(self, x, position, mask):
        """x (B, L, hidden), position (B, L, 3), mask (B, 1, L, L) of bool -> last hidden states before the final norm."""
        mask = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device).masked_fill_(~mask, -1e4)
        angle = position[..., self.axis].float() * self.t_freq
        angle = torch.cat((angle, angle), -1).unsqueeze(1)
        cos, sin = angle.cos().to(self.dtype), angle.sin().to(self.dtype)
        x = x.to(self.dtype)
        for w in self.t_weights:
            x = text_block(x, cos, sin, mask, self.t_heads, w)
        return x

    def final(self, x):
        return F.rms_norm(x.float(), x.shape[-1:], self.norm, 1e-6)
