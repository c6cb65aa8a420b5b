package io.lychee.rerank.cli;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.gateway.Gateway;
import io.lychee.rerank.gateway.GatewayServer;
import io.lychee.rerank.gateway.Readiness;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee serve}: HTTP and the console in front of a job in another process. */
@Command(
        name = "serve",
        description = {
            "Serves the HTTP API and the console, as a client of the topics, until it is stopped.",
            "A job has to run against the same broker: ./lychee job, or on a cluster."
        })
final class ServeCommand implements Callable<Integer> {

    @Mixin
    private final ConfigOptions.Keys options = new ConfigOptions.Keys();

    @Mixin
    private final Address address = new Address();

    /** Address of the HTTP server: of this command, up and demo. */
    static final class Address {

        private static final int USUAL = 8080;

        @Option(
                names = "--host",
                defaultValue = "127.0.0.1",
                description = "Address to listen on; 0.0.0.0 makes it reachable by others. Default: 127.0.0.1.")
        @SuppressWarnings("NullAway.Init") // has a default
        private String host;

        @Option(names = "--port", description = "Port to listen on, 0 for any. Default: 8080, or the next free one.")
        private int port = -1;

        GatewayServer.Address get() {
            return new GatewayServer.Address(host, port < 0 ? USUAL : port, port < 0);
        }

        String url(GatewayServer server) {
            return "http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + server.port();
        }
    }

    @Override
    public Integer call() throws InterruptedException {
        RerankConfig config = options.loadClient();
        Readiness readiness = new Readiness();
        try (CloseOnExit resources = new CloseOnExit()) {
            Gateway gateway = resources.add(new Gateway(config));
            GatewayServer server = resources.add(new GatewayServer(gateway, readiness, address.get(), null));
            readiness.ready(null, null);
            System.out.println("console and API at " + address.url(server) + ", lists go to "
                    + config.kafka().requestsTopic() + " at "
                    + config.kafka().bootstrapServers() + "; Ctrl-C stops");
            // the end of the process ends it
            new CountDownLatch(1).await();
        }
        return 0;
    }
}
