package io.lychee.rerank.cli;

import io.lychee.rerank.gateway.GatewayServer;
import picocli.CommandLine.Option;

/** Where a command that serves people listens. */
final class ServeOptions {

    private static final int USUAL = 8080;

    @Option(
            names = "--host",
            defaultValue = "127.0.0.1",
            description = "Address to listen on; 0.0.0.0 makes it reachable by others. Default: 127.0.0.1.")
    @SuppressWarnings("NullAway.Init") // has a default
    private String host;

    @Option(names = "--port", description = "Port to listen on, 0 for any. Default: 8080, or the next free one.")
    private int port = -1;

    GatewayServer.Address address() {
        return new GatewayServer.Address(host, port < 0 ? USUAL : port, port < 0);
    }

    String url(GatewayServer server) {
        return "http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + server.port();
    }
}
