package io.lychee.rerank.domain;

/** Which network made the scores: its name, and a fingerprint of configuration, tokenizer and weights. */
public record ModelInfo(String name, String fingerprint) {}
