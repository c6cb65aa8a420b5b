package io.lychee.rerank.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** placeholder until merge */
@Command(name = "consume")
final class ConsumeCommand implements Callable<Integer> {
    @Override
    public Integer call() {
        return 1;
    }
}
