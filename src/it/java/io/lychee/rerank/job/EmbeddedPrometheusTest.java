package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Map;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.junit.jupiter.api.Test;

/** Metrics listen on the address that was asked for; 127.0.0.2 stands for any other. */
class EmbeddedPrometheusTest {

    @Test
    void listensOnLoopbackUnlessToldOtherwise() throws Exception {
        assertThat(RerankConfig.of(Map.of("model.checkpoint", "none")).metricsHost())
                .isEqualTo("127.0.0.1");
        int port = freePort();
        MetricReporter reporter = start("127.0.0.1", port);
        assertThat(accepts("127.0.0.1", port)).isTrue();
        assertThat(accepts("127.0.0.2", port)).isFalse();
        reporter.close();
        assertThat(accepts("127.0.0.1", port)).isFalse();

        reporter = start("0.0.0.0", port);
        assertThat(accepts("127.0.0.2", port)).isTrue();
        reporter.close();
    }

    @Test
    void anAddressThatCannotBeUsedIsSaid() {
        RerankConfig config = RerankConfig.of(
                Map.of("model.checkpoint", "none", "metrics.port", "9", "metrics.host", "no such host"));

        assertThatThrownBy(() -> RerankJob.requireFreePort(config))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("metrics.host", "no such host");
    }

    private static MetricReporter start(String host, int port) {
        MetricConfig config = new MetricConfig();
        config.setProperty("host", host);
        config.setProperty("port", Integer.toString(port));
        return new EmbeddedPrometheus.Factory().createMetricReporter(config);
    }

    private static boolean accepts(String host, int port) throws IOException {
        try (Socket socket = new Socket(host, port)) {
            return socket.isConnected();
        } catch (ConnectException e) {
            return false;
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }
}
