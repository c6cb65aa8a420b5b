package io.lychee.rerank.cli;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.gateway.Gateway;
import io.lychee.rerank.gateway.GatewayServer;
import io.lychee.rerank.gateway.Readiness;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code ./lychee serve}: HTTP and the console in front of a job that runs elsewhere. */
@Command(
        name = "serve",
        description = {
            "Serves the HTTP API and the console, as a client of the topics, until it is stopped.",
            "A job has to run against the same broker: ./lychee job, or on a cluster."
        })
final class ServeCommand implements Callable<Integer> {

    @Mixin
    private final ClientOptions options = new ClientOptions();

    @Mixin
    private final ServeOptions serving = new ServeOptions();

    @Override
    public Integer call() throws InterruptedException {
        RerankConfig config = options.loadClient();
        Readiness readiness = new Readiness();
        try (Started started = new Started()) {
            Gateway gateway = started.add(new Gateway(config));
            GatewayServer server = started.add(GatewayServer.start(gateway, readiness, serving.address(), null));
            readiness.ready(null, null);
            System.out.println("console and API at " + serving.url(server) + ", lists go to "
                    + config.kafka().requestsTopic() + " at "
                    + config.kafka().bootstrapServers() + "; Ctrl-C stops");
            // the end of the process ends it
            new CountDownLatch(1).await();
        }
        return 0;
    }
}
