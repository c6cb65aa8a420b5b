package io.lychee.rerank.config;

/** Chooses between pixels as a browser shows them and pixels as the published pipelines make them. */
public enum ImageRules {
    SENSIBLE,
    PUBLISHED
}
