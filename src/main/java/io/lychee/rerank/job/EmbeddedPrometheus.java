package io.lychee.rerank.job;

import io.prometheus.client.CollectorRegistry;
import io.prometheus.client.exporter.HTTPServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.net.InetSocketAddress;
import java.util.Properties;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.prometheus.AbstractPrometheusReporter;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** Serves Flink's Prometheus metrics on one address; Flink's own reporter binds every address of the machine. */
final class EmbeddedPrometheus extends AbstractPrometheusReporter {

    static final String HOST = "host";
    static final String PORT = "port";

    private final HTTPServer server;

    /** Creates the reporter that Flink finds by {@code metrics.reporter.NAME.factory.class}. */
    public static final class Factory implements MetricReporterFactory {

        @Override
        public MetricReporter createMetricReporter(Properties properties) {
            MetricConfig config = (MetricConfig) properties;
            return new EmbeddedPrometheus(
                    new InetSocketAddress(config.getString(HOST, "127.0.0.1"), config.getInteger(PORT, 0)));
        }
    }

    private EmbeddedPrometheus(InetSocketAddress address) {
        try {
            server = new HTTPServer(address, registry(this), true);
        } catch (IOException e) {
            throw new UncheckedIOException("no metrics at " + address + " (metrics.host, metrics.port)", e);
        }
    }

    /** Reads the registry that Flink's base class fills; no method hands it out. */
    private static CollectorRegistry registry(AbstractPrometheusReporter reporter) {
        try {
            return (CollectorRegistry)
                    MethodHandles.privateLookupIn(AbstractPrometheusReporter.class, MethodHandles.lookup())
                            .findVarHandle(AbstractPrometheusReporter.class, "registry", CollectorRegistry.class)
                            .get(reporter);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("Flink's reporter has no registry of the expected type", e);
        }
    }

    @Override
    public void close() {
        server.stop();
        super.close();
    }
}
