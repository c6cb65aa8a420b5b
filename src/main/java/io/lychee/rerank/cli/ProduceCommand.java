package io.lychee.rerank.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** placeholder until merge */
@Command(name = "produce")
final class ProduceCommand implements Callable<Integer> {
    @Override
    public Integer call() {
        return 1;
    }
}
