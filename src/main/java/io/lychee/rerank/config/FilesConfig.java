package io.lychee.rerank.config;

import java.io.Serializable;

/** Bounds a backfill from files. */
public record FilesConfig(
        @Key(name = ConfigKeys.MAX_FILES, byDefault = "100000", min = "1")
        int maxFiles,

        @Key(name = "files.max-block-bytes", byDefault = "64 mb", min = "1 kb", max = "1 gb", bytes = true)
        int maxBlockBytes,

        @Key(name = "files.max-inflated-bytes", byDefault = "64 gb", bytes = true)
        long maxInflatedBytes)
        implements Serializable {}
