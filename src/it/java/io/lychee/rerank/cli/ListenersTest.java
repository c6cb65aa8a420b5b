package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.Delivery;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Nothing embedded is reached from another machine, and nothing that listens takes a job. */
@Timeout(180)
class ListenersTest {

    /** What Flink's REST port answers to, were it there: uploads, graphs, and what the cluster is. */
    private static final List<String> FLINK =
            List.of("POST /v1/jobs", "POST /jobs", "POST /jars/upload", "GET /config");

    private static final int ANSWER_MS = 2_000;

    @TempDir
    private Path folder;

    @Test
    void upListensOnLoopbackOnly() throws Exception {
        try (Up up = Up.start(folder.resolve("up.log"))) {
            List<InetSocketAddress> listeners =
                    Listeners.of(up.process().process().toHandle());

            assertThat(listeners).extracting(InetSocketAddress::getPort).contains(port(up.url()), port(up.broker()));
            requireClosed(listeners);
        }
    }

    @Test
    void aJobListensOnLoopbackOnly() throws Exception {
        int metrics;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            metrics = free.getLocalPort();
        }
        try (JobRounds rounds = new JobRounds(folder, Delivery.AT_LEAST_ONCE, 1);
                ChildProcess job = ChildProcess.start(
                        folder.resolve("job.log"),
                        "job",
                        "--conf",
                        rounds.conf().toString(),
                        "-D",
                        "metrics.port=" + metrics)) {
            var unused = job.await(JobRounds.RUNS);
            rounds.traffic.answered(1, () -> JobRounds.requireAlive(job));
            List<InetSocketAddress> listeners = Listeners.of(job.process().toHandle());

            assertThat(listeners).extracting(InetSocketAddress::getPort).contains(metrics);
            requireClosed(listeners);
        }
    }

    private static int port(String url) {
        return Integer.parseInt(url.substring(url.lastIndexOf(':') + 1));
    }

    private static void requireClosed(List<InetSocketAddress> listeners) throws IOException {
        for (InetSocketAddress listener : listeners) {
            assertThat(listener.getAddress().isLoopbackAddress())
                    .as("%s", listener)
                    .isTrue();
            for (String request : FLINK) {
                String answer = answer(listener, request);
                if (!answer.contains("# HELP flink_")) { // metrics, which say the same to everything
                    assertThat(answer)
                            .as("%s %s", listener, request)
                            .doesNotContainPattern(Pattern.compile("^HTTP/1.1 2|flink-version"));
                }
            }
        }
    }

    private static String answer(InetSocketAddress listener, String request) throws IOException {
        try (Socket socket = new Socket(listener.getAddress(), listener.getPort())) {
            socket.setSoTimeout(ANSWER_MS);
            socket.getOutputStream()
                    .write((request + " HTTP/1.1\r\nHost: 127.0.0.1:" + listener.getPort()
                                    + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            return new String(socket.getInputStream().readNBytes(4096), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            return e.toString(); // what is no HTTP server hangs up, or says nothing
        }
    }
}
