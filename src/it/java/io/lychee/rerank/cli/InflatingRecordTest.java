package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicAdmin;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A record of some kilobytes that inflates beyond the heap stops the job, which says how to go on without it. */
@Timeout(180)
class InflatingRecordTest {

    private static final int INFLATED = 300_000_000;
    private static final String HEAP = "400m";

    @TempDir
    private Path folder;

    @Test
    void theJobNamesTheRecordAndGoesOnBehindIt() throws Exception {
        try (JobRounds rounds = new JobRounds(folder, Delivery.AT_LEAST_ONCE, 1)) {
            RerankConfig.Kafka kafka = RerankConfig.of(RerankConfig.merge(rounds.conf(), Map.of(), Map.of()))
                    .kafka();
            long offset = send(kafka);
            String[] command = {"job", "--conf", rounds.conf().toString()};
            try (ChildProcess job = ChildProcess.start(folder.resolve("job.log"), List.of(), HEAP, command)) {
                assertThat(job.process().waitFor(120, TimeUnit.SECONDS)).isTrue();
                assertThat(job.process().exitValue()).as(job.output()).isEqualTo(1);
                assertThat(job.output())
                        .contains("the record at topic " + kafka.requestsTopic() + ", partition 0, offset " + offset)
                        .contains(
                                "--topic " + kafka.requestsTopic() + ":0 --reset-offsets --to-offset " + (offset + 1));
            }
            new TopicAdmin(kafka, Duration.ofSeconds(30))
                    .commit(Map.of(new TopicPartition(kafka.requestsTopic(), 0), offset + 1));
            try (ChildProcess job = ChildProcess.start(
                    folder.resolve("again.log"),
                    "job",
                    "--restart",
                    "--conf",
                    rounds.conf().toString())) {
                rounds.traffic.answered(1, () -> JobRounds.requireAlive(job));
            }
        }
    }

    private static long send(RerankConfig.Kafka kafka) throws Exception {
        Map<String, Object> client = Map.of(
                "bootstrap.servers",
                kafka.bootstrapServers(),
                "compression.type",
                "gzip",
                "max.request.size",
                Integer.MAX_VALUE,
                "buffer.memory",
                2L * INFLATED);
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer())) {
            return producer.send(new ProducerRecord<>(kafka.requestsTopic(), 0, null, new byte[INFLATED]))
                    .get()
                    .offset();
        }
    }
}
