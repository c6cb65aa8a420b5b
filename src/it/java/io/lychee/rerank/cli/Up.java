package io.lychee.rerank.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * {@code up} with the demo's checkpoint in a process of its own, ready to answer; killed when closed.
 *
 * @param broker host and port
 */
record Up(ChildProcess process, String url, String broker) implements AutoCloseable {

    static final Pattern URL = Pattern.compile("console and API at (http://127.0.0.1:\\d+)");
    static final Pattern BROKER = Pattern.compile("broker at (127.0.0.1:\\d+)");
    private static final Pattern LOADED = Pattern.compile("(\\S+) is loaded, after");

    static Up start(Path log, String... options) throws IOException {
        List<String> command = new ArrayList<>(List.of("up", "--port", "0", "--device", "cpu"));
        command.addAll(List.of(options));
        ChildProcess process = ChildProcess.start(log, command.toArray(String[]::new));
        String url = process.await(URL);
        String broker = process.await(BROKER);
        var unused = process.await(LOADED);
        return new Up(process, url, broker);
    }

    @Override
    public void close() {
        process.close();
    }
}
