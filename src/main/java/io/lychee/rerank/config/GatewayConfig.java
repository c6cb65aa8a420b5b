package io.lychee.rerank.config;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;

/** Declares the keys of the HTTP gateway. */
public record GatewayConfig(
        @Key(name = ConfigKeys.API_KEY, byDefault = "")
        @Doc("Key that clients of the HTTP API send, as Authorization: Bearer KEY or x-api-key: KEY; file:PATH names a"
                + " file with one key a line. Empty asks for none. /health/ needs none; the console asks once.")
        String apiKey,

        @Key(name = ConfigKeys.GATEWAY_TIMEOUT, byDefault = "30 s")
        @Doc("From an HTTP request to its answer, else 504. The list's own deadline is a tenth, at most 2 s,"
                + " earlier, so that candidates scored in time are answered.")
        Duration timeout,

        @Key(name = "gateway.max-requests", byDefault = "100", min = "1")
        @Doc("Requests being read or waiting for their answer; more get 429.")
        int maxRequests,

        @Key(name = "gateway.max-body-bytes", byDefault = "12 mb", min = "1 kb", max = "1 gb", bytes = true)
        @Doc("Larger request bodies get 413. Base64 takes a third more than kafka.max-record-bytes, which applies"
                + " as well.")
        int maxBodyBytes,

        @Key(name = "gateway.max-memory", byDefault = "0", bytes = true)
        @Doc("Heap that requests may use together, estimated at 4 bytes for a byte of a body and 256 for a JSON"
                + " token; more get 429 before they are read. 0 means a quarter of the heap.")
        long maxMemory,

        @Key(name = "gateway.max-body-tokens", byDefault = "200000", min = "10")
        @Doc("A request body of more JSON tokens (names, values, brackets) gets 400.")
        int maxBodyTokens,

        @Key(name = "gateway.allowed-hosts", byDefault = "")
        @Doc("Host names of requests besides the address of --host, semicolon-separated, as a proxy in front passes"
                + " them on: name, or name:port for another port than the gateway's. Only pages of these names may"
                + " call it.")
        List<String> allowedHosts,

        @Key(name = "gateway.heartbeat-interval", byDefault = "30 s")
        @Doc("The gateway sends an empty list after this time without an answer; after twice it is not ready.")
        Duration heartbeatInterval,

        @Key(name = "gateway.max-connections", byDefault = "1000", min = "1")
        @Doc("Open HTTP connections; more are closed at once.")
        int maxConnections,

        @Key(name = "gateway.read-timeout", byDefault = "30 s")
        @Doc("Time a client has to send its request, to read its answer, or to stay idle.")
        Duration readTimeout)
        implements Serializable {}
