"""Times Hugging Face transformers on 100 candidates of one query, to compare `./lychee bench engine --shape` with.

usage: python src/bench/transformers_baseline.py --shape 7b|3b|qwen3-2b|qwen3-8b [--batches 8,32] [--candidates 100]
Needs a GPU, torch and transformers. Random weights in bfloat16; the FlashAttention inside PyTorch; logits of the last
token only; all candidates equally long, so that nothing is padded.
"""
import argparse
import json
import statistics
import time

import torch
import transformers
from transformers import AttentionInterface, AttentionMaskInterface

IMAGE_SIDE = 448  # pixels, as the lists of bench engine
WORKLOADS = {  # text tokens and images of the query's side, then of each candidate
    "text": (80, 0, 126, 0),
    "image": (80, 0, 48, 1),
    "both": (80, 1, 48, 1),
}
TEXT = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
VISION = ("hidden_size", "intermediate_size", "depth", "out_hidden_size")
SHAPES = {  # text, vision; the rest are the family's defaults
    "7b": ((3584, 18944, 28, 28, 4), (1280, 3420, 32, 3584)),
    "3b": ((2048, 11008, 36, 16, 2), (1280, 3420, 32, 2048)),
    "qwen3-2b": ((2048, 6144, 28, 16, 8), (1024, 4096, 24, 2048)),
    "qwen3-8b": ((4096, 12288, 36, 32, 8), (1152, 4304, 27, 4096)),
}


def network(shape):
    text, vision = (dict(zip(names, sizes)) for names, sizes in zip((TEXT, VISION), SHAPES[shape]))
    if shape.startswith("qwen3"):
        rope = dict(rope_type="default", rope_theta=5e6, mrope_section=[24, 20, 20], mrope_interleaved=True)
        text = dict(text, head_dim=128)
        vision = dict(vision, deepstack_visual_indexes=[5, 11, 17] if shape == "qwen3-2b" else [8, 16, 24])
        config_class, model_class = transformers.Qwen3VLConfig, transformers.Qwen3VLForConditionalGeneration
    else:
        rope = dict(rope_type="default", rope_theta=1e6, mrope_section=[16, 24, 24])
        vision = dict(vision, num_heads=16, window_size=112, fullatt_block_indexes=[7, 15, 23, 31])
        config_class, model_class = transformers.Qwen2_5_VLConfig, transformers.Qwen2_5_VLForConditionalGeneration
    config = config_class(
        text_config=dict(text, vocab_size=151936, rms_norm_eps=1e-6, rope_parameters=rope, rope_scaling=rope),
        vision_config=vision,
        tie_word_embeddings=shape in ("3b", "qwen3-2b"),
        image_token_id=151655,
        video_token_id=151656,
        vision_start_token_id=151652,
        vision_end_token_id=151653,
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = model_class._from_config(config, attn_implementation="sdpa").eval()
    torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(0, 0.02) if weights.dim() > 1 else weights.fill_(0.02)
    for part in (model.config, model.config.text_config, model.config.vision_config):
        part._attn_implementation_internal = "packaged_flash"
    return model


def packaged_flash(module, q, k, v, attention_mask, scaling=None, cu_seq_lens_q=None, max_length_q=None, **_):
    """Attends with PyTorch's own FlashAttention-2: images as packed sequences, text as equally long rows."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    flash = torch.ops.aten._flash_attention_forward
    if cu_seq_lens_q is None:
        return flash(q, k, v, None, None, q.shape[1], k.shape[1], 0.0, True, False, scale=scaling)[0], None
    q, k, v = (x[0].contiguous() for x in (q, k, v))
    starts, longest = cu_seq_lens_q.int(), int(max_length_q)
    return flash(q, k, v, starts, starts, longest, longest, 0.0, False, False, scale=scaling)[0][None], None


def sequences(config, candidates, query_text, query_images, text, images):
    """Makes the inputs of all candidates, each behind its own copy of the query."""
    vision = config.vision_config
    patches = IMAGE_SIDE // vision.patch_size
    cells = (patches // vision.spatial_merge_size) ** 2
    picture = [config.vision_start_token_id] + [config.image_token_id] * cells + [config.vision_end_token_id]
    words = torch.randint(0, 150_000, (candidates, query_text + text)).tolist()
    query = words[0][:query_text] + picture * query_images
    ids = torch.tensor([query + picture * images + row[query_text:] for row in words], device="cuda")
    batch = dict(input_ids=ids, attention_mask=torch.ones_like(ids))
    if query_images + images:
        batch["mm_token_type_ids"] = (ids == config.image_token_id).int()
    return batch, (query_images + images, patches, 3 * vision.temporal_patch_size * vision.patch_size**2)


@torch.inference_mode()
def score(model, inputs, images, size):
    per_candidate, side, numbers = images
    for start in range(0, len(inputs["input_ids"]), size):
        part = {name: rows[start : start + size] for name, rows in inputs.items()}
        count = len(part["input_ids"]) * per_candidate
        if count:
            part["image_grid_thw"] = torch.tensor([[1, side, side]] * count, device="cuda")
            part["pixel_values"] = torch.randn(count * side * side, numbers, device="cuda", dtype=torch.bfloat16)
        model(**part, use_cache=False, logits_to_keep=1).logits[:, -1, [2152, 9693]].float().softmax(-1).cpu()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="7b")
    parser.add_argument("--batches", default="8,32")
    parser.add_argument("--candidates", type=int, default=100)
    options = parser.parse_args()
    AttentionInterface.register("packaged_flash", packaged_flash)
    AttentionMaskInterface.register("packaged_flash", lambda *_, **__: None)
    model = network(options.shape)
    memory = round(torch.cuda.memory_allocated() / 2**30, 1)
    for workload, lengths in WORKLOADS.items():
        inputs, images = sequences(model.config, options.candidates, *lengths)
        for size in map(int, options.batches.split(",")):
            seconds = []
            for _ in range(4):
                torch.cuda.synchronize()
                start = time.perf_counter()
                score(model, inputs, images, size)
                torch.cuda.synchronize()
                seconds.append(time.perf_counter() - start)
            print(json.dumps(dict(
                shape=options.shape, workload=workload, batch=size, tokens=inputs["input_ids"].shape[1],
                seconds=round(statistics.median(seconds[1:]), 4), weights_gib=memory,
                peak_gib=round(torch.cuda.max_memory_allocated() / 2**30, 1),
                versions=f"torch {torch.__version__}, transformers {transformers.__version__}",
            )), flush=True)


if __name__ == "__main__":
    main()
