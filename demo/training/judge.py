"""Scores of (query, candidate) pairs through transformers' own forward in float32, from image files: the reference."""
import os

import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import vocabulary as voc

DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query."


class Judge:
    def __init__(self, checkpoint, model=None):
        self.tok = Tokenizer.from_file(os.path.join(checkpoint, "tokenizer.json"))
        self.processor = Qwen2VLImageProcessorPil.from_pretrained(checkpoint)
        self.model = (model or Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager")).eval()
        self.yes, self.no, self.pad = (self.tok.token_to_id(t) for t in ("yes", "no", "<|image_pad|>"))
        self.seen = {}

    def pixels(self, image):
        """image: path or PIL image. Processed once."""
        key = image if isinstance(image, str) else id(image)
        if key not in self.seen:
            picture = Image.open(image) if isinstance(image, str) else image
            r = self.processor(images=[picture.convert("RGB")], return_tensors="pt")
            self.seen[key] = (r["pixel_values"].float(), r["image_grid_thw"], image)
        return self.seen[key][:2]

    @torch.inference_mode()
    def score(self, instruction, query, candidate):
        """query, candidate: (text or None, [images]). Pictures stand before the text on each side."""
        side = lambda s: "<|vision_start|><|image_pad|><|vision_end|>" * len(s[1]) + (s[0] or "")
        prompt = voc.HEAD % (instruction or DEFAULT_INSTRUCTION) + side(query) + "\n" + voc.DOCUMENT + side(candidate) + voc.TAIL
        pictures = [self.pixels(i) for i in query[1] + candidate[1]]
        ids, k = [], 0
        for t in self.tok.encode(prompt, add_special_tokens=False).ids:
            if t == self.pad:
                ids += [t] * int(pictures[k][1].prod() // 4)
                k += 1
            else:
                ids.append(t)
        ids = torch.tensor([ids])
        inputs = dict(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=(ids == self.pad).int())
        if pictures:
            inputs.update(pixel_values=torch.cat([p for p, _ in pictures]), image_grid_thw=torch.cat([g for _, g in pictures]))
        logits = self.model(**inputs, use_cache=False).logits[0, -1].float()
        return torch.sigmoid(logits[self.yes] - logits[self.no]).item()
