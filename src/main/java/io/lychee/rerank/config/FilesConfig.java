package io.lychee.rerank.config;

import java.io.Serializable;

/** Bounds a backfill from files. */
public record FilesConfig(
        @Key(name = ConfigKeys.MAX_FILES, byDefault = "100000", min = "1")
        @Doc("A file backfill of more files is refused; their names are held in memory.")
        int maxFiles,

        @Key(name = "files.max-block-bytes", byDefault = "64 mb", min = "1 kb", max = "1 gb", bytes = true)
        @Doc("An Avro file with a larger block, compressed or inflated, is refused; a block is held in memory.")
        int maxBlockBytes,

        @Key(name = "files.max-inflated-bytes", byDefault = "64 gb", bytes = true)
        @Doc("A gzip file that inflates to more is refused. It is streamed, and a line above kafka.max-record-bytes"
                + " is a dead letter.")
        long maxInflatedBytes)
        implements Serializable {}
