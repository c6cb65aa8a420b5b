"""Scores the pairs of pairs.json with transformers, as the checkpoint's publisher would: the reference to compare with.

usage: python reference.py CHECKPOINT [--device cuda] > reference.jsonl
Needs torch, transformers and pillow. Computes in float32, one pair at a time: slow, but without rounding to discuss.
"""
import argparse
import json
import pathlib

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


def side(content):
    return IMAGE * len(content["images"]) + (content["text"] or "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="folder, or a name on the Hugging Face hub")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    folder = pathlib.Path(__file__).parent
    spec = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    processor = AutoProcessor.from_pretrained(
        options.checkpoint, min_pixels=spec["min_pixels"], max_pixels=spec["max_pixels"], use_fast=False
    )
    model = AutoModelForImageTextToText.from_pretrained(options.checkpoint).float().to(options.device).eval()
    yes, no = (processor.tokenizer.encode(word, add_special_tokens=False)[0] for word in ("yes", "no"))
    for pair in spec["pairs"]:
        prompt = spec["template"]
        for name, text in (
            ("{system}", spec["system"]),
            ("{instruction}", spec["instruction"]),
            ("{query}", side(pair["query"])),
            ("{document}", side(pair["document"])),
        ):
            prompt = prompt.replace(name, text)
        names = pair["query"]["images"] + pair["document"]["images"]
        images = [Image.open(folder / name).convert("RGB") for name in names]
        inputs = processor(text=[prompt], images=images or None, return_tensors="pt").to(options.device)
        with torch.inference_mode():
            logits = model(**inputs).logits[0, -1].double()
        score = torch.sigmoid(logits[yes] - logits[no]).item()
        print(json.dumps({"name": pair["name"], "score": score}), flush=True)


if __name__ == "__main__":
    main()
