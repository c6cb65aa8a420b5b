package io.lychee.rerank.domain;

/** Identifies the network: its name, and a fingerprint of configuration, tokenizer and weights. */
public record ModelInfo(String name, String fingerprint) {}
