package io.lychee.rerank.bench;

import picocli.CommandLine.Command;

/** {@code ./lychee bench}: measurements. */
@Command(
        name = "bench",
        description = "Measures parts of the job.",
        subcommands = {BenchEngineCommand.class, BenchPreprocessCommand.class, BenchPipelineCommand.class})
public final class BenchCommand {}
