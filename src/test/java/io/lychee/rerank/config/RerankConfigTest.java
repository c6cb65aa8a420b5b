package io.lychee.rerank.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;

class RerankConfigTest {

    @Test
    void defaultsAreTheProducts() {
        RerankConfig config = of(Map.of());

        assertThat(config.limits().maxPixels()).isZero(); // the family's
        assertThat(config.limits().maxQueryTokens()).isEqualTo(512);
        assertThat(config.limits().maxImageBytes()).isEqualTo(16 << 20);
        assertThat(config.kafka().maxRecordBytes()).isEqualTo(8 << 20);
        assertThat(config.lanes().realtimeTimeout()).isEqualTo(Duration.ofSeconds(10));
        assertThat(config.lanes().backfillTimeout()).isZero();
        assertThat(config.prompt().instruction()).isEmpty(); // the family's
    }

    @Test
    void unknownKeysAreRefusedWithTheNearest() {
        assertThatThrownBy(() -> of(Map.of("image.max-pixel", "1")))
                .isInstanceOf(ConfigException.class)
                .hasMessage("unknown key image.max-pixel; did you mean image.max-pixels?");
        assertThatThrownBy(() -> of(Map.of("nonsense", "1"))).hasMessageContaining("conf/rerank.properties");
    }

    @Test
    void refusalsNameKeyValueAndRange() {
        assertThatThrownBy(() -> of(Map.of("list.max-candidates", "0")))
                .hasMessage("list.max-candidates is 0; expected at least 1");
        assertThatThrownBy(() -> of(Map.of("list.max-candidates", "many")))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("list.max-candidates")
                .hasMessageContaining("many");
        assertThatThrownBy(() -> of(Map.of("fetch.timeout", "soon"))).hasMessageContaining("fetch.timeout");
        assertThatThrownBy(() -> of(Map.of("kafka.output-format", "xml"))).hasMessageContaining("kafka.output-format");
        assertThatThrownBy(() -> of(Map.of("kafka.max-record-bytes", "5 gb")))
                .hasMessageContaining("kafka.max-record-bytes");
        assertThatThrownBy(() -> of(Map.of("encode.max-bytes", "0 bytes")))
                .hasMessage("encode.max-bytes is 0 bytes; expected at least 1 mb");
        assertThatThrownBy(() -> of(Map.of("image.max-pixels", "3000", "image.min-pixels", "3136")))
                .hasMessage("image.max-pixels is 3000; expected at least 3136");
        assertThatThrownBy(() -> of(Map.of("backfill.min-share", "0.6")))
                .hasMessage("backfill.min-share is 0.6; expected 0 to 0.5");
        assertThatThrownBy(() -> of(Map.of("kafka.topic.results", " "))).hasMessage("kafka.topic.results is empty");
        assertThatThrownBy(() -> RerankConfig.of(Map.of())).hasMessageContaining("model.checkpoint is not set");
        assertThatThrownBy(() -> RerankConfig.of(RerankConfig.merge(Path.of("no-such-file"), Map.of(), Map.of())))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("no-such-file");
    }

    @Test
    void refusalsNameKeyValueAndType() {
        Map.of(
                        "list.max-candidates", "a whole number",
                        "backfill.min-share", "a number",
                        "text.normalize", "true or false",
                        "fetch.timeout", "a duration, such as 10 s",
                        "kafka.max-record-bytes", "a size, such as 64 mb",
                        "kafka.output-format", "one of [avro, json]")
                .forEach((key, expected) -> assertThatThrownBy(() -> of(Map.of(key, "many")))
                        .isInstanceOf(ConfigException.class)
                        .hasMessage(key + " is many; expected " + expected));
    }

    @Test
    void boundsAreInclusive() {
        for (String port : List.of("0", "65535")) {
            assertThat(of(Map.of("metrics.port", port)).metricsPort()).isEqualTo(Integer.parseInt(port));
        }
        assertThatThrownBy(() -> of(Map.of("metrics.port", "65536")))
                .hasMessage("metrics.port is 65536; expected 0 to 65535");
        assertThat(of(Map.of("kafka.max-record-bytes", "1 gb")).kafka().maxRecordBytes())
                .isEqualTo(1 << 30);
        assertThatThrownBy(() -> of(Map.of("kafka.max-record-bytes", "5 gb")))
                .hasMessage("kafka.max-record-bytes is 5 gb; expected 4 kb to 1 gb");
        assertThatThrownBy(() -> of(Map.of("backfill.min-share", "NaN"))).hasMessageContaining("expected 0 to 0.5");
        assertThatThrownBy(() -> of(Map.of("fetch.timeout", "0 s")))
                .hasMessage("fetch.timeout is 0 s; expected more than 0");
        assertThat(of(Map.of("realtime.timeout", "0 s")).lanes().realtimeTimeout())
                .isZero();
    }

    record Versioned(
            @Key(name = "new.name", formerly = "old.name", byDefault = "1") @Doc("Renamed.")
            int value) {}

    @Test
    void renamedKeysAreReadAndRetiredOnesPointToTheirSuccessor() {
        Map<String, String> retired = Map.of("gone", "new.name replaces it");

        assertThat(ConfigBinder.bind(Versioned.class, Map.of("old.name", "2"), retired).value)
                .isEqualTo(2);
        assertThat(ConfigBinder.bind(Versioned.class, Map.of("old.name", "2", "new.name", "3"), retired).value)
                .isEqualTo(3);
        assertThatThrownBy(() -> ConfigBinder.bind(Versioned.class, Map.of("gone", "2"), retired))
                .isInstanceOf(ConfigException.class)
                .hasMessage("key gone is retired; new.name replaces it");
    }

    @Test
    void taskManagersGetAnEqualCopy() throws Exception {
        RerankConfig config = of(Map.of("rules", "weak: score < 0.4 -> drop", "image.roots", "a;b"));

        assertThat(InstantiationUtil.clone(config)).isEqualTo(config);
    }

    @Test
    void transactionsOutliveTwoCheckpoints() {
        assertThat(of(Map.of("kafka.delivery-guarantee", "exactly-once"))
                        .kafka()
                        .transactionTimeout())
                .isEqualTo(Duration.ofMinutes(10));
        assertThatThrownBy(() -> of(Map.of(
                        "kafka.delivery-guarantee", "exactly-once",
                        "kafka.transaction-timeout", "1 min",
                        "job.checkpoint-interval", "31 s")))
                .hasMessage(
                        "kafka.transaction-timeout is PT1M; expected at least twice job.checkpoint-interval, PT1M2S");
        assertThatThrownBy(() -> of(Map.of("kafka.delivery-guarantee", "none")))
                .hasMessageContaining("[at-least-once, exactly-once]");
    }

    @Test
    void prefixedKeysAreHandedOn() {
        RerankConfig config = of(Map.of("kafka.properties.security.protocol", "SSL", "flink.rest.port", "8081"));

        assertThat(config.kafka().properties()).containsExactly(Map.entry("security.protocol", "SSL"));
        assertThat(config.flink()).containsExactly(Map.entry("rest.port", "8081"));
    }

    private static RerankConfig of(Map<String, String> values) {
        Map<String, String> all = new HashMap<>(values);
        all.put("model.checkpoint", "somewhere");
        return RerankConfig.of(all);
    }
}
