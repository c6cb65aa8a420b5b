package io.lychee.rerank.bench;

import io.lychee.rerank.cli.Main;

/** Starts {@code ./lychee bench}: the commands of {@link Main} and the benchmarks. */
public final class BenchMain {

    private BenchMain() {}

    public static void main(String[] args) {
        Main.start(args, new BenchCommand());
    }
}
