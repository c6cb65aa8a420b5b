package io.lychee.rerank.config;

/** Encoding of answers and dead letters. */
public enum OutputFormat {
    AVRO,
    JSON
}
